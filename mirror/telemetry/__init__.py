"""What leaves the process about its own working: traces, and errors for Sentry. Off by default.

Neither carries names or texts of reviews, bodies, URLs, secrets, or the values of local variables: a span has ids,
counts, outcomes and statuses; an error has its type and where it was raised. Each needs an extra (`otel`, `sentry`),
and nothing of either is imported, wrapped or called while it is off.
"""

import importlib.util
from typing import TYPE_CHECKING

from structlog.typing import Processor

from mirror.settings import Settings, SettingsError
from mirror.telemetry.ids import add_trace_id

if TYPE_CHECKING:
    from mirror.telemetry.tracing import Tracing

_MISSING = "is set, but its packages are missing: pip install -r requirements-extras.txt"


def start_tracing(settings: Settings) -> "Tracing | None":
    """Begin to send spans, if OTEL_EXPORTER_OTLP_ENDPOINT is set. Raises SettingsError where that cannot be."""
    if settings.otel_exporter_otlp_endpoint is None:
        return None
    if not _has("opentelemetry.exporter.otlp.proto.http"):
        raise SettingsError("OTEL_EXPORTER_OTLP_ENDPOINT", _MISSING)
    from mirror.telemetry.tracing import start  # noqa: PLC0415 - an extra

    return start()


def log_processors(settings: Settings) -> tuple[Processor, ...]:
    """Return what log lines pass through where telemetry is on. Raises SettingsError where it cannot be.

    Starts Sentry, which is told of errors by way of the log.
    """
    processors: list[Processor] = [] if settings.otel_exporter_otlp_endpoint is None else [add_trace_id]
    if settings.sentry_dsn is not None:
        if not _has("sentry_sdk"):
            raise SettingsError("SENTRY_DSN", _MISSING)
        from mirror.telemetry.sentry import report, start  # noqa: PLC0415 - an extra

        start(settings.sentry_dsn)
        processors.append(report)
    return tuple(processors)


def _has(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False

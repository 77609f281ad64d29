"""Errors for Sentry: their type, and where in the code they were raised. Nothing else of them leaves the process.

An error's own words are left out: they may quote a body or a URL. None of Sentry's integrations with libraries is on;
they send the headers, URLs and commands that they see. What is sent comes from the log: each line with a traceback.
"""

from typing import Any

import sentry_sdk
from sentry_sdk.integrations.atexit import AtexitIntegration
from structlog.typing import EventDict, WrappedLogger

from mirror import VERSION

# What of a log line goes along: what tells whose line it is, never what a payload said.
_TAGS = ("request_id", "job", "job_id", "route", "review_id", "delivery_id")
# What of an event may be sent at all.
_SENT = frozenset(
    {
        "event_id",
        "timestamp",
        "level",
        "platform",
        "release",
        "environment",
        "sdk",
        "tags",
        "exception",
        "logger",
        "message",
    }
)
_FRAME = frozenset({"filename", "function", "module", "lineno", "in_app", "abs_path"})


def start(dsn: str, **options: Any) -> None:
    """Begin to send. SENTRY_ENVIRONMENT and SENTRY_RELEASE are read by Sentry's client itself."""
    sentry_sdk.init(
        dsn,
        # Else it asks git for one.
        release=f"reviewmirror@{VERSION}",
        default_integrations=False,
        auto_enabling_integrations=False,
        # It writes to stderr by itself when there is something left to send.
        integrations=[AtexitIntegration(callback=lambda _pending, _timeout: None)],
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        # The name of the machine.
        server_name="",
        before_send=scrub,
        **options,
    )


def report(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Tell Sentry of a log line with a traceback, and let the line go on."""
    error = event.get("exc_info")
    if error is None or error is False:
        return event
    with sentry_sdk.new_scope() as scope:
        scope.set_tag("event", event.get("event"))
        for name in _TAGS:
            if name in event:
                scope.set_tag(name, str(event[name]))
        sentry_sdk.capture_exception(None if error is True else error)
    return event


def scrub(event: Any, _hint: Any) -> Any:
    """Leave of an event what is known to hold no text, name or secret."""
    kept = {name: value for name, value in event.items() if name in _SENT}
    for error in kept.get("exception", {}).get("values", []):
        error.pop("value", None)
        error.pop("mechanism", None)
        frames = (error.get("stacktrace") or {}).get("frames", [])
        frames[:] = [{name: value for name, value in frame.items() if name in _FRAME} for frame in frames]
    return kept

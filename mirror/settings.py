"""The configuration: one frozen struct, built from a mapping of environment variables.

Nothing here reads the environment by itself: `load(os.environ)` is called once, where a process starts.
"""

import difflib
from collections.abc import Mapping
from typing import Any

import msgspec

from mirror.domain.incidents import Thresholds
from mirror.domain.record import Windows
from mirror.domain.signature import BUILT_IN_KEYS, PublicKey, parse_public_keys
from mirror.tokens import Token
from mirror.variables import VARIABLES, Variable

API_URLS = {"production": "https://api.partoo.co/v2", "sandbox": "https://api.sandbox.partoo.co/v2"}


class SettingsError(ValueError):
    """A variable that cannot be used; the message is one line that names it and never repeats a secret's value."""

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(f"{variable} {problem}")
        self.variable = variable


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the processes are told from outside. Durations are in milliseconds."""

    bind_host: str
    port: int
    redis_url: str | None
    redis_tls_verify: bool
    redis_max_connections: int
    redis_wait_replicas: int
    redis_wait_disk: bool
    redis_data_dir: str
    database_url: str | None
    partoo_env: str
    partoo_public_keys: tuple[PublicKey, ...]
    partoo_webhook_secret: tuple[str, ...] | None
    partoo_api_url: str
    partoo_api_key: str | None
    partoo_api_rate: int
    verification_delay: int
    api_token: tuple[Token, ...] | None
    console: bool
    log_level: str
    log_format: str | None
    log_review_text: bool
    feed_length: int
    outgoing_allow_private: bool
    alert_webhook_url: str | None
    alert_webhook_secret: str | None
    alert_format: str | None
    redelivery_window: int
    reorder_window: int
    late_window: int
    deletion_grace: int
    delivery_retention: int
    history_retention: int
    silence_after: int | None
    incident_window: int
    incident_min_reviews: int
    incident_share: float
    web_concurrency: int
    worker_max_jobs: int
    otel_exporter_otlp_endpoint: str | None
    sentry_dsn: str | None

    def __repr__(self) -> str:
        """Show no value: what shows variables, a traceback or a debugger's log, would show secrets."""
        return "Settings(...)"

    @property
    def windows(self) -> Windows:
        return Windows(
            redelivery=self.redelivery_window,
            reorder=self.reorder_window,
            grace=self.deletion_grace,
            late=self.late_window,
        )

    @property
    def thresholds(self) -> Thresholds:
        return Thresholds(self.incident_window, self.incident_min_reviews, self.incident_share)


def load(environ: Mapping[str, str]) -> Settings:
    """Build the settings from environment variables. Raises SettingsError for the first that cannot be used."""
    _refuse_misspelt(environ)
    values = {variable.name.lower(): _read(variable, environ) for variable in VARIABLES}
    env = values["partoo_env"]
    values["partoo_public_keys"] = values["partoo_public_keys"] or parse_public_keys(BUILT_IN_KEYS[env])
    values["partoo_api_url"] = values["partoo_api_url"] or API_URLS[env]
    return Settings(**values)


def _read(variable: Variable, environ: Mapping[str, str]) -> Any:
    text = environ.get(variable.name, "").strip() or variable.default
    if not text:
        return None
    try:
        return variable.parse(text)
    except ValueError as error:
        quoted = " (it stands in quotes: leave them out)" if text[0] in "\"'" else ""
        raise SettingsError(variable.name, f"{error}{quoted}") from None


def _refuse_misspelt(environ: Mapping[str, str]) -> None:
    """Refuse an unknown PARTOO_ variable: a secret or a key that nobody reads would leave the door open."""
    known = {variable.name for variable in VARIABLES}
    for name in sorted(environ):
        if name.startswith("PARTOO_") and name not in known:
            close = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise SettingsError(name, f"is not a variable of reviewmirror{hint}")

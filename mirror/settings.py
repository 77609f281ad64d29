"""The configuration: one frozen struct, built from a mapping of environment variables.

Nothing here reads the environment by itself: `load(os.environ)` is called once, where a process starts.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from mirror.domain.incidents import Thresholds
from mirror.domain.record import Windows
from mirror.domain.signature import BUILT_IN_KEYS, PublicKey, parse_public_keys

API_URLS = {"production": "https://api.partoo.co/v2", "sandbox": "https://api.sandbox.partoo.co/v2"}
_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SWITCH = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}


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
    redis_data_dir: str
    partoo_env: str
    partoo_public_keys: tuple[PublicKey, ...]
    partoo_webhook_secret: str | None
    partoo_api_url: str
    partoo_api_key: str | None
    partoo_api_rate: int
    verification_delay: int
    api_token: tuple[str, ...] | None
    log_level: str
    log_format: str | None
    log_review_text: bool
    redelivery_window: int
    reorder_window: int
    deletion_grace: int
    delivery_retention: int
    history_retention: int
    incident_window: int
    incident_min_reviews: int
    incident_share: float
    web_concurrency: int
    worker_max_jobs: int

    def __repr__(self) -> str:
        """Show no value: what shows variables, a traceback or a debugger's log, would show secrets."""
        return "Settings(...)"

    @property
    def windows(self) -> Windows:
        return Windows(redelivery=self.redelivery_window, reorder=self.reorder_window, grace=self.deletion_grace)

    @property
    def thresholds(self) -> Thresholds:
        return Thresholds(self.incident_window, self.incident_min_reviews, self.incident_share)


def duration(text: str) -> int:
    """Read a duration such as `90s`, `1h` or `7d`, in milliseconds. Raises ValueError."""
    match = re.fullmatch(r"(\d{1,9})(ms|s|m|h|d)", text)
    if match is None:
        raise ValueError("must be a whole number with a unit (ms, s, m, h or d), such as 90s, 1h or 7d")
    return int(match[1]) * _UNITS_MS[match[2]]


def percentage(text: str) -> float:
    """Read a percentage such as `1%` or `2.5%`, as a share from 0 to 1. Raises ValueError."""
    match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)%", text)
    if match is None or float(match[1]) > 100:  # noqa: PLR2004 - per cent
        raise ValueError("must be a percentage from 0% to 100%, such as 1% or 2.5%")
    return float(match[1]) / 100


def _number(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"\d{1,9}", text) or not lowest <= int(text) <= highest:
            raise ValueError(f"must be a whole number from {lowest} to {highest}")
        return int(text)

    return parse


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text.lower()

    return parse


def _switch(text: str) -> bool:
    if text.lower() not in _SWITCH:
        raise ValueError("must be on or off")
    return _SWITCH[text.lower()]


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        starts = " or ".join(f"{scheme}://" for scheme in schemes)
        try:
            parts = urlsplit(text)
            parts.port  # noqa: B018 - reading it is what checks it
        except ValueError:
            raise ValueError(f"must be a valid URL that starts with {starts}") from None
        if (
            re.search(r"\s", text)
            or parts.scheme not in schemes
            or not (parts.hostname or (parts.scheme == "unix" and parts.path))
        ):
            raise ValueError(f"must be a URL that starts with {starts}")
        return text

    return parse


def _redis_url(text: str) -> str:
    parts = urlsplit(_url("redis", "rediss", "unix")(text))
    if parts.scheme == "unix":
        if not re.fullmatch(r"(db=\d+)?", parts.query):
            raise ValueError("takes no option but ?db=NUMBER")
    elif parts.query:
        # An option of redis-py's would override the deadlines that the service rests on.
        raise ValueError("takes no options after a question mark; REDIS_TLS_VERIFY=off turns verification off")
    elif not re.fullmatch(r"/?\d*", parts.path):
        raise ValueError("must end with the number of a database, or without")
    return text


def _secret(text: str) -> str:
    # It stands in a URL: what would have to be escaped there could be written in two ways.
    if not re.fullmatch(r"[A-Za-z0-9._~-]{1,200}", text):
        raise ValueError("must be 1 to 200 letters, digits or the characters . _ ~ -")
    return text


def _token(text: str) -> str:
    if not re.fullmatch(r"[!-~]{1,200}", text):
        raise ValueError("must be 1 to 200 printable ASCII characters without spaces")
    return text


def _tokens(text: str) -> tuple[str, ...]:
    try:
        return tuple(_token(part.strip()) for part in text.split(","))
    except ValueError as error:
        raise ValueError(f"{error}, or several such tokens separated by commas") from None


class Variable(msgspec.Struct, frozen=True):
    """One environment variable: `default` is as one would write it, empty for none; an empty value counts as unset."""

    name: str
    default: str
    parse: Callable[[str], Any]
    help: str


VARIABLES = (
    Variable(
        "BIND_HOST",
        "0.0.0.0",  # noqa: S104 - the platform's router comes from outside
        str,
        "Address that the web process listens on; 127.0.0.1 for this machine only.",
    ),
    Variable("PORT", "8080", _number(0, 65535), "Port of the web process; the platform sets it. 0 takes a free one."),
    Variable(
        "REDIS_URL",
        "",
        _redis_url,
        "Redis to use: redis://, rediss:// (TLS) or unix://. Empty: an embedded redis-server, for development.",
    ),
    Variable(
        "REDIS_TLS_VERIFY",
        "on",
        _switch,
        "off accepts any certificate from a rediss:// server. Heroku Key-Value Store needs off: it signs its own.",
    ),
    Variable(
        "REDIS_MAX_CONNECTIONS",
        "5",
        _number(3, 1000),
        "Connections that one process may open. (web processes + workers) x this x 2 must fit the Redis plan: old and "
        "new processes overlap while a release is rolled out.",
    ),
    Variable("REDIS_DATA_DIR", "data/redis", str, "Folder of the embedded Redis (its append-only file and socket)."),
    Variable(
        "PARTOO_ENV",
        "production",
        _one_of("production", "sandbox"),
        "Which of Partoo's public keys verifies deliveries: production or sandbox.",
    ),
    Variable(
        "PARTOO_PUBLIC_KEYS",
        "",
        parse_public_keys,
        "Overrides the built-in key: Ed25519 public keys, PEM or base64 SubjectPublicKeyInfo, separated by commas. "
        "Any of them may verify a delivery, so that one can be rotated.",
    ),
    Variable(
        "PARTOO_WEBHOOK_SECRET",
        "",
        _secret,
        "Secret that a delivery must carry: /webhooks/partoo/SECRET, /webhooks/partoo?key=SECRET, or the custom header "
        "X-Webhook-Secret. Empty: none.",
    ),
    Variable("PARTOO_API_URL", "", _url("https", "http"), "Partoo's REST API. Empty: the one of PARTOO_ENV."),
    Variable(
        "PARTOO_API_KEY",
        "",
        _token,
        "Key for Partoo's REST API (x-APIKey). With it Partoo is asked where a delivery cannot tell, and the mirror is "
        "compared with it once a day. Empty: neither.",
    ),
    Variable(
        "PARTOO_API_RATE",
        "240",
        _number(1, 1_000_000),
        "Requests a minute that all processes together may send to Partoo's API, which allows an organization 300.",
    ),
    Variable(
        "VERIFICATION_DELAY",
        "30s",
        duration,
        "How long after a delivery in doubt Partoo is asked: other deliveries may settle it, and questions gather.",
    ),
    Variable(
        "API_TOKEN",
        "",
        _tokens,
        "Token that opens the read API (Authorization: Bearer); several, separated by commas, so that one can be "
        "rotated. Empty: the read API is closed.",
    ),
    Variable("LOG_LEVEL", "info", _one_of("debug", "info", "warning", "error"), "debug, info, warning or error."),
    Variable(
        "LOG_FORMAT", "", _one_of("json", "console"), "json or console. Empty: console on a terminal, json elsewhere."
    ),
    Variable(
        "LOG_REVIEW_TEXT",
        "off",
        _switch,
        "on writes names and texts of reviews to the log. They are personal data; off logs their length and a hash.",
    ),
    Variable(
        "REDELIVERY_WINDOW",
        "1h",
        duration,
        "A review that returns unchanged sooner than this after it was last shown may be a late copy: ambiguous.",
    ),
    Variable(
        "REORDER_WINDOW",
        "90s",
        duration,
        "A return to an earlier state within this time, with the same clock, may be a late copy: ambiguous.",
    ),
    Variable(
        "DELETION_GRACE",
        "7d",
        duration,
        "How long a missing review may be away before it is gone. It may still come back after that.",
    ),
    Variable(
        "INCIDENT_WINDOW",
        "1h",
        duration,
        "Many reviews of one business or partner that vanish within this time are one incident: none of them is gone "
        "while it lasts.",
    ),
    Variable(
        "INCIDENT_MIN_REVIEWS", "20", _number(1, 999_999_999), "Fewer reviews than this that vanish are no incident."
    ),
    Variable(
        "INCIDENT_SHARE",
        "1%",
        percentage,
        "Nor are fewer than this share of the live reviews that the business or the partner had.",
    ),
    Variable(
        "DELIVERY_RETENTION",
        "2d",
        duration,
        "How long a review's raw deliveries are kept after the last of them was applied, for replay; some 1.4 KB each. "
        "0s keeps none.",
    ),
    Variable(
        "HISTORY_RETENTION",
        "0d",
        duration,
        "How long changes stay in the history of a review, such as 365d; older ones are trimmed once a day. 0d keeps "
        "all.",
    ),
    Variable("WEB_CONCURRENCY", "1", _number(1, 64), "Web processes that share the port. Heroku sets it by dyno size."),
    Variable("WORKER_MAX_JOBS", "10", _number(1, 1000), "arq jobs that one worker runs side by side."),
)


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
        raise SettingsError(variable.name, str(error)) from None


def _refuse_misspelt(environ: Mapping[str, str]) -> None:
    """Refuse an unknown PARTOO_ variable: a secret or a key that nobody reads would leave the door open."""
    known = {variable.name for variable in VARIABLES}
    for name in sorted(environ):
        if name.startswith("PARTOO_") and name not in known:
            close = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise SettingsError(name, f"is not a variable of reviewmirror{hint}")

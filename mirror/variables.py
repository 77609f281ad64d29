"""The environment variables: what each is called, what it is by default, how it is read, and what it is for."""

from collections.abc import Callable
from typing import Any

import msgspec

from mirror import parsing
from mirror.domain.signature import parse_public_keys
from mirror.redis_urls import redis_url
from mirror.tokens import read_tokens

# A web process keeps two for storing and nudging, and reads by others.
FEWEST_CONNECTIONS = 3


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
    Variable(
        "PORT", "8080", parsing.number(0, 65535), "Port of the web process; the platform sets it. 0 takes a free one."
    ),
    Variable(
        "REDIS_URL",
        "",
        redis_url,
        "Redis to use: redis://, rediss:// (TLS), unix://, or sentinels: redis+sentinel://host:port,host:port/service. "
        "Empty: an embedded server, for development.",
    ),
    Variable(
        "REDIS_TLS_VERIFY",
        "on",
        parsing.switch,
        "off accepts any certificate from a rediss:// server. Heroku Key-Value Store needs off: it signs its own.",
    ),
    Variable(
        "REDIS_MAX_CONNECTIONS",
        "5",
        parsing.number(FEWEST_CONNECTIONS, 1000),
        "Connections that one process may open. (web processes + workers) x this x 2 must fit the Redis plan: old and "
        "new processes overlap while a release is rolled out.",
    ),
    Variable(
        "REDIS_WAIT_REPLICAS",
        "0",
        parsing.number(0, 100),
        "How many replicas must have a delivery before it is acknowledged; 503 where they have not within 1.5 s. "
        "0: none.",
    ),
    Variable(
        "REDIS_WAIT_DISK",
        "off",
        parsing.switch,
        "on acknowledges a delivery only once it is on Redis's disk (WAITAOF: Redis 7.2, Valkey); 503 after 1.5 s.",
    ),
    Variable("REDIS_DATA_DIR", "data/redis", str, "Folder of the embedded Redis (its append-only file and socket)."),
    Variable(
        "DATABASE_URL",
        "",
        parsing.postgres_url,
        "Postgres in which a worker keeps tables of the mirror for analysts: postgres:// or postgresql://; TLS as the "
        "URL says (?sslmode=require). Needs requirements-postgres.txt. Empty: none.",
    ),
    Variable(
        "PARTOO_ENV",
        "production",
        parsing.one_of("production", "sandbox"),
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
        parsing.secrets,
        "Secret that a delivery must carry: /webhooks/partoo/SECRET, /webhooks/partoo?key=SECRET, or the custom header "
        "X-Webhook-Secret. Several, separated by commas, let one be rotated. Empty: none.",
    ),
    Variable("PARTOO_API_URL", "", parsing.url, "Partoo's REST API. Empty: the one of PARTOO_ENV."),
    Variable(
        "PARTOO_API_KEY",
        "",
        parsing.token,
        "Key for Partoo's REST API (x-APIKey). With it Partoo is asked where a delivery cannot tell, and the mirror is "
        "compared with it once a day. Empty: neither.",
    ),
    Variable(
        "PARTOO_API_RATE",
        "240",
        parsing.number(1, 1_000_000),
        "Requests a minute that all processes together may send to Partoo's API, which allows an organization 300.",
    ),
    Variable(
        "VERIFICATION_DELAY",
        "30s",
        parsing.duration,
        "How long after a delivery in doubt Partoo is asked: other deliveries may settle it, and questions gather.",
    ),
    Variable(
        "API_TOKEN",
        "",
        read_tokens,
        "Tokens that open the API (Authorization: Bearer), separated by commas: plain ones, which allow everything, or "
        "name:scope:token with scope read or operate. Empty: the API is closed.",
    ),
    Variable(
        "CONSOLE",
        "on",
        parsing.switch,
        "on serves the console for people at /console, to whoever has a token of API_TOKEN. off removes it.",
    ),
    Variable("LOG_LEVEL", "info", parsing.log_level, "debug, info, warning or error."),
    Variable(
        "LOG_FORMAT",
        "",
        parsing.one_of("json", "console"),
        "json or console. Empty: console on a terminal, json elsewhere.",
    ),
    Variable(
        "LOG_REVIEW_TEXT",
        "off",
        parsing.switch,
        "on writes names and texts of reviews to the log. They are personal data; off logs their length and a hash.",
    ),
    Variable(
        "FEED_LENGTH",
        "100000",
        parsing.number(1_000, 10_000_000),
        "About how many changes the feed keeps for those who follow it. Each takes some 60 bytes.",
    ),
    Variable(
        "OUTGOING_ALLOW_PRIVATE",
        "off",
        parsing.switch,
        "on lets outgoing webhooks go to addresses that are not public: loopback, private, link-local.",
    ),
    Variable(
        "ALERT_WEBHOOK_URL",
        "",
        parsing.webhook_url,
        "Where notices for the operator are posted: what is wrong, and that it is over. Empty: nowhere.",
    ),
    Variable(
        "ALERT_WEBHOOK_SECRET",
        "",
        parsing.signing_secret,
        "Signs these notices, as Standard Webhooks are signed: whsec_ and the base64 of 24 to 64 bytes. Empty: "
        "unsigned.",
    ),
    Variable(
        "ALERT_FORMAT",
        "",
        parsing.one_of("standard", "slack"),
        'standard or slack ({"text"}). Empty: slack for hooks.slack.com, standard elsewhere.',
    ),
    Variable(
        "REDELIVERY_WINDOW",
        "1h",
        parsing.duration,
        "A review that returns unchanged sooner than this after it was last shown may be a late copy: ambiguous.",
    ),
    Variable(
        "REORDER_WINDOW",
        "90s",
        parsing.duration,
        "A return to an earlier state within this time, with the same clock, may be a late copy: ambiguous.",
    ),
    Variable(
        "LATE_WINDOW",
        "24h",
        parsing.duration,
        "For how long after a newer state an older clock makes a delivery a late copy. After that it is news, but "
        "unproven.",
    ),
    Variable(
        "DELETION_GRACE",
        "7d",
        parsing.duration,
        "How long a missing review may be away before it is gone. It may still come back after that.",
    ),
    Variable(
        "INCIDENT_WINDOW",
        "1h",
        parsing.duration,
        "Many reviews of one business or partner that vanish within this time are one incident: none of them is gone "
        "while it lasts.",
    ),
    Variable(
        "INCIDENT_MIN_REVIEWS",
        "20",
        parsing.number(1, 999_999_999),
        "Fewer reviews than this that vanish are no incident.",
    ),
    Variable(
        "INCIDENT_SHARE",
        "1%",
        parsing.percentage,
        "Nor are fewer than this share of the live reviews that the business or the partner had.",
    ),
    Variable(
        "SILENCE_AFTER",
        "",
        parsing.duration,
        "After how long without a delivery the mirror says that deliveries stay away. Empty: learned from the last "
        "eight weeks. 0s: never.",
    ),
    Variable(
        "DELIVERY_RETENTION",
        "2d",
        parsing.duration,
        "How long a review's raw deliveries are kept after the last of them was applied, for replay; some 1.4 KB each. "
        "0s keeps none.",
    ),
    Variable(
        "HISTORY_RETENTION",
        "0d",
        parsing.duration,
        "How long changes stay in the history of a review, such as 365d; older ones are trimmed once a day. 0d keeps "
        "the newest 10,000 or so.",
    ),
    Variable(
        "WEB_CONCURRENCY", "1", parsing.number(1, 64), "Web processes that share the port. Heroku sets it by dyno size."
    ),
    Variable("WORKER_MAX_JOBS", "10", parsing.number(1, 1000), "arq jobs that one worker runs side by side."),
    Variable(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "",
        parsing.url,
        "Where traces go, by OTLP over HTTP, such as http://localhost:4318. The other OTEL_* variables hold too. "
        "Empty: no traces.",
    ),
    Variable(
        "SENTRY_DSN",
        "",
        parsing.sentry_dsn,
        "Sentry project that is told of errors, by their type and place alone. Empty: nobody is told.",
    ),
)

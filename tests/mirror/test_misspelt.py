"""Hints about variables that nobody reads: ours misspelt get one, those of other programs do not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.misspelt import hints
from mirror.variables import VARIABLES

MISSPELT = {
    "API_TOKENS": "API_TOKEN",
    "APITOKEN": "API_TOKEN",
    "api_token": "API_TOKEN",
    "REDIS_TLS_URL": "REDIS_URL",
    "REDIS_URI": "REDIS_URL",
    "REDISURL": "REDIS_URL",
    "RedisUrl": "REDIS_URL",
    "VALKEY_URL": "REDIS_URL",
    "REDIS-URL": "REDIS_URL",
    "REDIS_VERIFY_TLS": "REDIS_TLS_VERIFY",
    "REDIS_MAX_CONNECTION": "REDIS_MAX_CONNECTIONS",
    "REDIS_CONNECTIONS": "REDIS_MAX_CONNECTIONS",
    "WEBHOOK_SECRET": "PARTOO_WEBHOOK_SECRET",
    "WEBHOOK_SECRETS": "PARTOO_WEBHOOK_SECRET",
    "PUBLIC_KEYS": "PARTOO_PUBLIC_KEYS",
    "PUBLIC_KEY": "PARTOO_PUBLIC_KEYS",
    "PATROO_API_KEY": "PARTOO_API_KEY",
    "partoo_api_key": "PARTOO_API_KEY",
    "LOGLEVEL": "LOG_LEVEL",
    "LOG_LVL": "LOG_LEVEL",
    "LOG_FORMATS": "LOG_FORMAT",
    "DELETION_GRACE_DAYS": "DELETION_GRACE",
    "REDELIVERY_WINDOWS": "REDELIVERY_WINDOW",
    "LATEWINDOW": "LATE_WINDOW",
    "WEB_CONCURENCY": "WEB_CONCURRENCY",
    "WORKER_MAX_JOB": "WORKER_MAX_JOBS",
}
# What shells, platforms, CI and other libraries set.
STRANGERS = """
    HOME PATH PWD OLDPWD SHELL SHLVL USER LOGNAME LANG LC_ALL TERM TZ TMPDIR EDITOR HOSTNAME HOST MAIL PS1 _
    http_proxy HTTPS_PROXY no_proxy SSL_CERT_FILE SSL_CERT_DIR PYTHONPATH PYTHONUNBUFFERED PYTHONIOENCODING
    VIRTUAL_ENV PIP_INDEX_URL DYNO DYNO_RAM STACK HEROKU_APP_NAME HEROKU_SLUG_COMMIT HEROKU_REDIS_AMBER_URL
    HEROKU_POSTGRESQL_BLUE_URL DATABASE_URL PGHOST PGPORT PGPASSWORD POSTGRES_URL MONGODB_URI AMQP_URL
    CLOUDAMQP_URL ELASTICSEARCH_URL SENTRY_DSN SENTRY_ENVIRONMENT REDIS_PORT REDIS_HOST REDIS_PASSWORD
    REDIS_SERVICE_HOST REDIS_SERVICE_PORT REDIS_PORT_6379_TCP REDIS_PORT_6379_TCP_ADDR KUBERNETES_SERVICE_HOST
    KUBERNETES_PORT WEB_MEMORY WORKER_MEMORY MEMORY_AVAILABLE CI GITHUB_TOKEN GITHUB_API_URL GITHUB_API_TOKEN
    NPM_TOKEN APP_TOKEN BOT_TOKEN SLACK_API_TOKEN API_KEY API_URL ENV APP_ENV SECRET_KEY JWT_SECRET
    STRIPE_WEBHOOK_SECRET GITHUB_WEBHOOK_SECRET SSH_AUTH_SOCK SSH_CONNECTION AWS_REGION AWS_SECRET_ACCESS_KEY
    S3_BUCKET LOG_FILE LOG_DIR LOG_PATH LOG_DATE_FORMAT ROOT_LOG_LEVEL BIND_PORT BIND_ADDRESS GUNICORN_CMD_ARGS
    NODE_ENV JAVA_HOME COLUMNS LINES PAGER LESS DISPLAY XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS INVOCATION_ID
    JOURNAL_STREAM NOTIFY_SOCKET
"""


@pytest.mark.parametrize(("name", "meant"), MISSPELT.items())
def test_a_misspelt_variable_gets_a_hint(name: str, meant: str) -> None:
    assert [(hint.variable, hint.meant) for hint in hints({name: "x"})] == [(name, meant)]


def test_variables_of_other_programs_get_none() -> None:
    assert [str(hint) for hint in hints(dict.fromkeys(STRANGERS.split(), "x"))] == []


def test_none_is_given_for_our_own_variables_nor_near_one_that_is_set() -> None:
    ours = {variable.name: "x" for variable in VARIABLES}
    assert list(hints(ours)) == []
    # Heroku sets both.
    assert list(hints({"REDIS_URL": "rediss://a", "REDIS_TLS_URL": "rediss://b"})) == []
    assert list(hints({"API_TOKENS": " "})) == []


def test_a_hint_names_both_variables_and_no_value() -> None:
    (hint,) = hints({"API_TOKENS": "hunter2"})
    assert str(hint) == "API_TOKENS is set, but nothing reads it: did you mean API_TOKEN?"


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.text(), st.text()))
def test_no_environment_makes_it_fail(environ: dict[str, str]) -> None:
    assert {hint.variable for hint in hints(environ)} <= set(environ)

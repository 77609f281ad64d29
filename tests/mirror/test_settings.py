"""The configuration: defaults, one clear line for what cannot be used, and no secret repeated."""

import traceback

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.domain.incidents import Thresholds
from mirror.domain.record import Windows
from mirror.domain.signature import BUILT_IN_KEYS, parse_public_keys
from mirror.parsing import duration
from mirror.settings import Settings, SettingsError, load
from mirror.tokens import Scope, Token
from mirror.variables import VARIABLES
from tests.support import SIGNER

NAMES = [variable.name for variable in VARIABLES]
# What is no value of a variable. Any text is an address or a folder.
FREE_TEXT = {"BIND_HOST", "REDIS_DATA_DIR"}
BAD_SWITCHES = ["maybe", "2", "o n", "onn", "null"]
BAD_DURATIONS = ["90", "h", "1.5h", "-1h", "1 h", "1w", "1H", "1h30m", "1e3s", "forever", "1234567890s", "3\u0660x"]
BAD_TOKENS = ["two words", "clé", "tab\there", "line\nend", "x" * 201, "\x7f", "nul\x00"]
BAD_NAMED = ["a:b", ":", "::", ":read:x", "name:read:", "name::x", "name:write:x", "name:READ:x", "na me:read:x"]
BAD_NAMED += ["a:read:x,b:read:x", "a:read:x,x", "x,a:read:x", "a:read:x,a:operate:y", "token:read:x,y", "a:read:é"]
BAD_URLS = ["localhost:6379", "//host", "https:", "https://", "ftp://host", "https://host:99999", "https://[::1", "h"]
BAD = {
    "PORT": ["eighty", "-1", "65536", "80.0", "8 0", "1e3", "0x50", "9999999999", "+80", "8_0"],
    "REDIS_URL": [*BAD_URLS, "http://host", "redis://", "rediss://:6379", "unix://", "redis://host:port", "redis:host"],
    "REDIS_TLS_VERIFY": BAD_SWITCHES,
    "REDIS_MAX_CONNECTIONS": ["0", "1", "1001", "-5", "many"],
    "REDIS_WAIT_REPLICAS": ["-1", "101", "one"],
    "REDIS_WAIT_DISK": ["maybe", "2"],
    "PARTOO_ENV": ["staging", "prod", "production,sandbox"],
    "PARTOO_PUBLIC_KEYS": ["hunter2", ",", BUILT_IN_KEYS["sandbox"][:-4], BUILT_IN_KEYS["sandbox"] + ",hunter2"],
    "PARTOO_WEBHOOK_SECRET": [*BAD_TOKENS, "one,", ",two", "a/b", "a?b", "a%20b", "a&b", "a#b", "a+b"],
    "PARTOO_API_URL": [*BAD_URLS, "redis://host", "https://host/v2?a=b", "https://host/#v2", "https://user:key@host"],
    "PARTOO_API_KEY": BAD_TOKENS,
    "PARTOO_API_RATE": ["0", "-1", "1.5", "many"],
    "VERIFICATION_DELAY": BAD_DURATIONS,
    "API_TOKEN": [*BAD_TOKENS, ",", "one,", ",two", "one,,two", "one,t wo", "one," + "x" * 201, *BAD_NAMED],
    "DATABASE_URL": [
        "mysql://host/db",
        "postgres",
        "postgresql://host",
        "postgres://u:p@h:port/db",
        "postgres://h/a b",
    ],
    "LOG_LEVEL": ["loud", "10", "notset"],
    "LOG_FORMAT": ["xml", "json,console"],
    "LOG_REVIEW_TEXT": BAD_SWITCHES,
    "FEED_LENGTH": ["0", "999", "10000001", "many"],
    "OUTGOING_ALLOW_PRIVATE": BAD_SWITCHES,
    "ALERT_WEBHOOK_URL": [*BAD_URLS, "https://user:key@host/x", "https://host/#x", "https://ho st/x"],
    "ALERT_WEBHOOK_SECRET": ["hunter2", "whsec_", "whsec_hunter2", "whsec_" + "A" * 28, "whsec_" + "A" * 92, "whsec_é"],
    "ALERT_FORMAT": ["discord", "text"],
    "REDELIVERY_WINDOW": BAD_DURATIONS,
    "REORDER_WINDOW": BAD_DURATIONS,
    "LATE_WINDOW": BAD_DURATIONS,
    "CONSOLE": ["maybe", "2"],
    "DELETION_GRACE": BAD_DURATIONS,
    "SILENCE_AFTER": BAD_DURATIONS,
    "DELIVERY_RETENTION": BAD_DURATIONS,
    "HISTORY_RETENTION": BAD_DURATIONS,
    "INCIDENT_WINDOW": BAD_DURATIONS,
    "INCIDENT_MIN_REVIEWS": ["0", "-1", "1.5", "twenty"],
    "INCIDENT_SHARE": ["1", "0.01", "101%", "-1%", "1 %", "%", "1.%", ".5%", "1,5%", "100.001%", "NaN%", "\u0661%"],
    "WEB_CONCURRENCY": ["0", "65", "-1", "two"],
    "WORKER_MAX_JOBS": ["0", "1001", "-1", "two"],
    "OTEL_EXPORTER_OTLP_ENDPOINT": ["localhost:4318", "grpc://localhost:4317", "http://"],
    "SENTRY_DSN": ["https://sentry.example/1", "https://key@sentry.example", "https://key@sentry.example/ 1", "key@1"],
}
SECRETS = [
    "REDIS_URL",
    "DATABASE_URL",
    "PARTOO_PUBLIC_KEYS",
    "PARTOO_WEBHOOK_SECRET",
    "PARTOO_API_KEY",
    "API_TOKEN",
    "SENTRY_DSN",
]


def refusal(environ: dict[str, str]) -> SettingsError:
    with pytest.raises(SettingsError) as refused:
        load(environ)
    return refused.value


# Defaults


def test_without_any_variable_the_defaults_are_those_of_the_contract() -> None:
    assert load({}) == Settings(
        bind_host="0.0.0.0",  # noqa: S104 - the documented default
        port=8080,
        redis_url=None,
        redis_tls_verify=True,
        redis_max_connections=5,
        redis_wait_replicas=0,
        redis_wait_disk=False,
        redis_data_dir="data/redis",
        database_url=None,
        partoo_env="production",
        partoo_public_keys=parse_public_keys(BUILT_IN_KEYS["production"]),
        partoo_webhook_secret=None,
        partoo_api_url="https://api.partoo.co/v2",
        partoo_api_key=None,
        partoo_api_rate=240,
        verification_delay=30_000,
        api_token=None,
        console=True,
        log_level="info",
        log_format=None,
        log_review_text=False,
        feed_length=100_000,
        outgoing_allow_private=False,
        alert_webhook_url=None,
        alert_webhook_secret=None,
        alert_format=None,
        redelivery_window=3_600_000,
        reorder_window=90_000,
        late_window=86_400_000,
        deletion_grace=7 * 86_400_000,
        silence_after=None,
        delivery_retention=2 * 86_400_000,
        history_retention=0,
        incident_window=3_600_000,
        incident_min_reviews=20,
        incident_share=0.01,
        web_concurrency=1,
        worker_max_jobs=10,
        otel_exporter_otlp_endpoint=None,
        sentry_dsn=None,
    )


def test_every_variable_is_a_setting_and_every_setting_a_variable() -> None:
    assert sorted(name.lower() for name in NAMES) == sorted(Settings.__struct_fields__)


def test_every_variable_says_what_it_is_for() -> None:
    assert [variable.name for variable in VARIABLES if not variable.help.endswith(".")] == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("empty", ["", " ", "\t\n"], ids=["empty", "space", "white space"])
def test_an_empty_value_means_unset(name: str, empty: str) -> None:
    assert load({name: empty}) == load({})


@pytest.mark.parametrize("variable", [variable for variable in VARIABLES if variable.default], ids=lambda one: one.name)
def test_a_default_written_out_is_the_same_as_none(variable: "object") -> None:
    assert load({variable.name: variable.default}) == load({})  # type: ignore[attr-defined]


def test_values_are_read() -> None:
    read = load(
        {
            "BIND_HOST": "::1",
            "PORT": "0",
            "REDIS_URL": "rediss://:p%40ss@host:6380/1",
            "REDIS_TLS_VERIFY": "OFF",
            "REDIS_MAX_CONNECTIONS": "1000",
            "PARTOO_ENV": "Sandbox",
            "PARTOO_WEBHOOK_SECRET": "9fa91de19-._~",
            "PARTOO_API_KEY": "k!~",
            "API_TOKEN": "t",
            "LOG_LEVEL": "DEBUG",
            "LOG_FORMAT": "json",
            "LOG_REVIEW_TEXT": "1",
            "FEED_LENGTH": "5000",
            "OUTGOING_ALLOW_PRIVATE": "on",
            "REDELIVERY_WINDOW": "0s",
            "REORDER_WINDOW": "1500ms",
            "LATE_WINDOW": "90m",
            "DELETION_GRACE": "72h",
            "INCIDENT_WINDOW": "10m",
            "INCIDENT_MIN_REVIEWS": "1",
            "INCIDENT_SHARE": "2.5%",
            "WEB_CONCURRENCY": "64",
            "WORKER_MAX_JOBS": "1",
        }
    )
    assert (read.bind_host, read.port, read.redis_url) == ("::1", 0, "rediss://:p%40ss@host:6380/1")
    assert (read.redis_tls_verify, read.redis_max_connections) == (False, 1000)
    assert (read.partoo_env, read.partoo_webhook_secret) == ("sandbox", ("9fa91de19-._~",))
    assert (read.partoo_api_key, read.api_token) == ("k!~", (Token("token", Scope.OPERATE, "t"),))
    assert (read.log_level, read.log_format, read.log_review_text) == ("debug", "json", True)
    assert read.windows == Windows(redelivery=0, reorder=1_500, late=5_400_000, grace=259_200_000)
    assert read.thresholds == Thresholds(window=600_000, reviews=1, share=0.025)
    assert (read.web_concurrency, read.worker_max_jobs) == (64, 1)


@pytest.mark.parametrize("url", ["redis://localhost", "redis://[::1]:6379/0", "unix:///run/redis.sock", "rediss://h"])
def test_redis_may_be_reached_in_each_documented_way(url: str) -> None:
    assert load({"REDIS_URL": url}).redis_url == url


def test_the_sandbox_has_its_own_key_and_api_and_both_can_be_overridden() -> None:
    sandbox = load({"PARTOO_ENV": "sandbox"})
    assert sandbox.partoo_public_keys == parse_public_keys(BUILT_IN_KEYS["sandbox"])
    assert sandbox.partoo_api_url == "https://api.sandbox.partoo.co/v2"

    own = load({"PARTOO_PUBLIC_KEYS": SIGNER.public_key, "PARTOO_API_URL": "http://127.0.0.1:1/v2"})
    assert own.partoo_public_keys == parse_public_keys(SIGNER.public_key)
    assert own.partoo_api_url == "http://127.0.0.1:1/v2"


@pytest.mark.parametrize("text", ["old,new", " old , new ", "old,\tnew"])
def test_several_tokens_may_open_the_read_api_so_that_one_can_be_rotated(text: str) -> None:
    assert load({"API_TOKEN": text}).api_token == (
        Token("token", Scope.OPERATE, "old"),
        Token("token-2", Scope.OPERATE, "new"),
    )


def test_keys_given_replace_the_built_in_ones_and_do_not_join_them() -> None:
    both = f"{SIGNER.public_key},{BUILT_IN_KEYS['sandbox']}"
    assert load({"PARTOO_PUBLIC_KEYS": both}).partoo_public_keys == parse_public_keys(both)


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("WARN", "warning"),
        ("warn", "warning"),
        ("Warning", "warning"),
        ("WARNING", "warning"),
        ("ERR", "error"),
        ("Fatal", "error"),
        ("CRITICAL", "error"),
        ("trace", "debug"),
        ("Info", "info"),
    ],
)
def test_a_log_level_may_be_called_as_other_programs_call_it(text: str, level: str) -> None:
    assert load({"LOG_LEVEL": text}).log_level == level


@pytest.mark.parametrize(("name", "value"), [("LOG_LEVEL", "'info'"), ("PORT", '"80"'), ("REDIS_URL", '"redis://h"')])
def test_a_bad_value_in_quotes_is_told_to_leave_them_out(name: str, value: str) -> None:
    assert str(refusal({name: value})).endswith(" (it stands in quotes: leave them out)")


@pytest.mark.parametrize("text", ["on", "true", "yes", "1", "On", "TRUE"])
def test_a_switch_can_be_put_on(text: str) -> None:
    assert load({"LOG_REVIEW_TEXT": text}).log_review_text is True


@pytest.mark.parametrize("text", ["off", "false", "no", "0", "Off", "FALSE"])
def test_a_switch_can_be_put_off(text: str) -> None:
    assert load({"REDIS_TLS_VERIFY": text}).redis_tls_verify is False


# What cannot be used


def test_every_variable_that_can_be_wrong_is_tested_wrong() -> None:
    assert sorted(BAD) == sorted(set(NAMES) - FREE_TEXT)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_bad_value_is_refused_in_one_line_that_names_the_variable(name: str, value: str) -> None:
    error = refusal({name: value})
    assert error.variable == name
    assert str(error).startswith(f"{name} ")
    assert len(str(error).splitlines()) == 1
    assert len(str(error)) < 200


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("value", ["hunter2 hunter2", "hunter2/é", "redis://:hunter2@host:port é"])
def test_the_value_of_a_secret_is_never_repeated(name: str, value: str) -> None:
    error = refusal({name: value})
    assert "hunter2" not in "".join(traceback.format_exception(error))


def test_settings_do_not_show_their_values() -> None:
    secrets = {
        "PARTOO_WEBHOOK_SECRET": "hunter2",
        "API_TOKEN": "hunter2,hunter2,reader:read:another-hunter2",
        "PARTOO_API_KEY": "hunter2",
    }
    read = load(secrets | {"REDIS_URL": "redis://:hunter2@host"})
    assert "hunter2" not in f"{read!r} {read!s} {read} {read.api_token}"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("PARTOO_PUBLIC_KEY", "PARTOO_PUBLIC_KEYS"),
        ("PARTOO_WEBHOOK_SECRETS", "PARTOO_WEBHOOK_SECRET"),
        ("PARTOO_APIKEY", "PARTOO_API_KEY"),
        ("PARTOO_ENVIRONMENT", None),
        ("PARTOO_", None),
    ],
)
def test_a_misspelt_partoo_variable_is_refused_even_when_empty(name: str, meant: str | None) -> None:
    for value in ("hunter2", ""):
        error = refusal({name: value})
        assert error.variable == name
        assert str(error).startswith(f"{name} is not a variable of reviewmirror")
        assert meant is None or str(error).endswith(f"did you mean {meant}?")
        assert "hunter2" not in str(error)


def test_variables_of_other_programs_are_none_of_our_business() -> None:
    others = {
        "HOME": "/",
        "DYNO": "web.1",
        "SOURCE_PARTOO_X": "1",
        "partoo_env": "x",
        "port": "x",
        "REDIS_TLS_URL": "x",
    }
    assert load(others) == load({})


def test_loading_leaves_the_mapping_as_it_was() -> None:
    environ = {"PORT": " 1 ", "PARTOO_ENV": ""}
    assert load(environ).port == 1
    assert environ == {"PORT": " 1 ", "PARTOO_ENV": ""}


# Durations


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("0s", 0),
        ("1ms", 1),
        ("90s", 90_000),
        ("15m", 900_000),
        ("1h", 3_600_000),
        ("72h", 259_200_000),
        ("7d", 604_800_000),
    ],
)
def test_a_duration_is_a_whole_number_with_a_unit(text: str, milliseconds: int) -> None:
    assert duration(text) == milliseconds


@pytest.mark.parametrize("text", ["", "s", *BAD_DURATIONS])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="must be a whole number with a unit"):
        duration(text)


# Garbage


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(NAMES), st.text() | st.sampled_from([bad for values in BAD.values() for bad in values]))
def test_any_value_of_any_variable_is_read_or_refused_in_one_line(name: str, value: str) -> None:
    try:
        read = load({name: value})
    except SettingsError as error:
        told = (error.variable, str(error).split(" ", 1)[0], len(str(error).splitlines()))
        assert told == (name, name, 1)
    else:
        assert isinstance(read, Settings)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.text(), st.text()))
def test_no_environment_makes_loading_fail_in_another_way(environ: dict[str, str]) -> None:
    try:
        assert isinstance(load(environ), Settings)
    except SettingsError as error:
        assert error.variable in environ  # noqa: PT017 - both ways out are right


@settings(deadline=None, max_examples=100)
@given(
    st.sampled_from(["redis", "rediss", "unix", "http", "https", ""]),
    st.text(st.characters(codec="ascii") | st.sampled_from("é\uff05\uff1a\uff0f"), max_size=12),
    st.sampled_from(["REDIS_URL", "PARTOO_API_URL"]),
)
def test_any_url_is_read_or_refused(scheme: str, rest: str, name: str) -> None:
    try:
        load({name: f"{scheme}://{rest}"})
    except SettingsError as error:
        assert error.variable == name  # noqa: PT017 - both ways out are right

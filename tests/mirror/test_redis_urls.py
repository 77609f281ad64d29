"""REDIS_URL: what is taken means what it looks like; what would mean something else is refused with what to write."""

from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mirror.settings import SettingsError, load
from mirror.storage.connection import connect

# What is not taken, and what the line must say to write instead.
REFUSED = {
    "redis://:p@ss#word@host:6379": "%40",
    "redis://:pass#word@host:6379": "%23",
    "redis://:pass/word@host:6379": "%2F",
    "redis://:pass/1@host": "%2F",
    "redis://:pass?word@host": "%3F",
    "redis://user:p@ss@host": "%40",
    "redis://:p ss@host": "%20",
    "redis://:pa[ss@host": "%5B",
    "redis://:pa]ss@host": "%5D",
    "redis://host:6379#1": "%23",
    "redis://host :6379": "%20",
    "redis://host:6379/0 # the first": "%23",
    "redis://ho\x00st": "control character",
    "redis://host:6379:6380": "port",
    "redis://host:99999": "port",
    "redis://:secret:6379": "names no host",
    "redis://:secret@": "names no host",
    "redis://:secret@:6379": "names no host",
    "redis:///0": "names no host",
    "redis://hosta,hostb": "one host",
    "redis://<host>": "one host",
    "redis://${HOST}": "one host",
    "redis://secret@host": ":PASSWORD@",
    "redis://host/cache": "number of a database",
    "redis://host/\u0661": "number of a database",
    "redis://host?db=1": "/NUMBER",
    "redis://host?socket_timeout=60": "no options",
    "rediss://host/0?ssl_cert_reqs=none": "REDIS_TLS_VERIFY",
    '"redis://host"': "quotes",
    "'redis://host'": "quotes",
    "REDIS://host": "redis://",
    "redis:/host": "redis://",
    "valkey://host": "redis://",
    "unix:/tmp/x.sock": "unix:///path",
    "unix://tmp/x.sock": "unix:///path",
    "unix://./x.sock": "unix:///path",
    "unix://localhost/tmp/x.sock": "unix:///path",
    "unix://:secret@tmp/x.sock": "unix:///path",
    "unix://:se@cret@/tmp/x.sock": "%40",
    "unix:///": "unix:///path",
    "unix:///tmp/x#1.sock": "%23",
    "unix:///tmp/x.sock?a=b": "?db=NUMBER",
}
TAKEN: dict[str, dict[str, Any]] = {
    "redis://localhost": {"host": "localhost"},
    "redis://[::1]:6379/3": {"host": "::1", "port": 6379, "db": 3},
    "rediss://:p%40ss%23word@host:6380": {"host": "host", "port": 6380, "password": "p@ss#word"},
    "redis://user:a:b@host": {"host": "host", "username": "user", "password": "a:b"},
    "redis://:@host": {"host": "host"},
    "redis://some_host.local-1:7": {"host": "some_host.local-1", "port": 7},
    "unix:///run/redis.sock?db=1": {"path": "/run/redis.sock", "db": 1},
    "unix://:secret@/run/a@b.sock": {"path": "/run/a@b.sock", "password": "secret"},
}


def meant(url: str) -> dict[str, Any]:
    """Tell what the client makes of a URL that the settings take."""
    read = load({"REDIS_URL": url})
    assert read.redis_url == url
    return dict(connect(read, url).connection_pool.connection_kwargs)


@pytest.mark.parametrize(("url", "instead"), REFUSED.items())
def test_a_url_that_would_mean_something_else_is_refused_with_what_to_write(url: str, instead: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load({"REDIS_URL": url})
    line = str(refused.value)
    assert line.startswith("REDIS_URL ")
    assert instead in line
    assert "secret" not in line
    assert (len(line.splitlines()), len(line) < 200) == (1, True)


@pytest.mark.parametrize(("url", "meaning"), TAKEN.items())
def test_a_url_that_is_taken_means_what_it_says(url: str, meaning: dict[str, Any]) -> None:
    found = meant(url)
    assert {name: found.get(name) for name in meaning} == meaning


@settings(deadline=None, max_examples=300)
@given(st.text(min_size=1) | st.text(st.sampled_from("a@/:#?%[]\\ &=+é"), min_size=1))
@example("p@ss#word")
@example("host:6379/")
def test_a_password_is_taken_as_it_was_meant_or_not_at_all(password: str) -> None:
    try:
        found = meant(f"redis://:{password}@host:6379")
    except SettingsError:
        return
    assert (found["host"], found["port"], found["password"]) == ("host", 6379, unquote(password))


@settings(deadline=None, max_examples=100)
@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_password_can_be_given_percent_encoded(password: str) -> None:
    assert meant(f"redis://:{quote(password, safe='')}@host")["password"] == password

"""REDIS_URL of sentinels: what is taken means what it looks like."""

import pytest
from redis.asyncio.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection

from mirror.redis_urls import redis_url
from mirror.sentinel_urls import Sentinels, sentinels
from mirror.storage.connection import connect
from mirror.storage.sentinel import SentinelPool
from tests.support import make_settings

TAKEN = {
    "redis+sentinel://one/reviews": Sentinels((("one", 26379),), "reviews"),
    "redis+sentinel://one:1,two:2/reviews/3": Sentinels((("one", 1), ("two", 2)), "reviews", db=3),
    "redis+sentinel://[::1]:26380/reviews": Sentinels((("::1", 26380),), "reviews"),
    "rediss+sentinel://:p%40ss@one/reviews": Sentinels((("one", 26379),), "reviews", tls=True, password="p@ss"),
    "redis+sentinel://user:pass@one/reviews?sentinel_password=s%40&sentinel_username=watcher": Sentinels(
        (("one", 26379),),
        "reviews",
        username="user",
        password="pass",
        sentinel_username="watcher",
        sentinel_password="s@",
    ),
}
REFUSED = {
    "redis+sentinel://one": "must name the service",
    "redis+sentinel://one/": "must name the service",
    "redis+sentinel://one/reviews/x": "must name the service",
    "redis+sentinel://one,/reviews": "host and port",
    "redis+sentinel:///reviews": "host and port",
    "redis+sentinel://one:70000/reviews": "host and port",
    "redis+sentinel://secret@one/reviews": ":PASSWORD@",
    "redis+sentinel://:se@cret@one/reviews": "%40",
    "redis+sentinel://one/reviews?socket_timeout=9": "no options but",
}


@pytest.mark.parametrize("url", TAKEN)
def test_what_is_taken_means_what_it_says(url: str) -> None:
    assert redis_url(url) == url
    assert sentinels(url) == TAKEN[url]
    assert "ss" not in repr(sentinels(url)).replace("reviews", "")


@pytest.mark.parametrize("url", REFUSED)
def test_what_means_something_else_is_refused_without_the_password(url: str) -> None:
    with pytest.raises(ValueError, match=REFUSED[url]) as refused:
        redis_url(url)
    assert "secret" not in str(refused.value)


def test_the_url_of_a_server_names_no_sentinels() -> None:
    assert sentinels("redis://one:1") is None


@pytest.mark.parametrize("scheme", ["redis+sentinel", "rediss+sentinel"])
async def test_servers_and_sentinels_are_spoken_to_alike(scheme: str) -> None:
    client = connect(make_settings(), f"{scheme}://user:pass@one:1,two:2/reviews/3?sentinel_password=other", 4)
    pool = client.connection_pool
    assert isinstance(pool, SentinelPool)
    tls = scheme.startswith("rediss")
    assert pool.connection_class is (SentinelManagedSSLConnection if tls else SentinelManagedConnection)
    assert (pool.max_connections, pool.connection_kwargs["password"], pool.connection_kwargs["db"]) == (4, "pass", 3)
    to_sentinels = [one.connection_pool.connection_kwargs for one in pool.sentinel_manager.sentinels]
    assert [(one["host"], one["port"], one["password"]) for one in to_sentinels] == [
        ("one", 1, "other"),
        ("two", 2, "other"),
    ]
    for options in (pool.connection_kwargs, *to_sentinels):
        assert (options.get("ssl_cert_reqs") == "required") is tls
    await client.aclose(close_connection_pool=True)

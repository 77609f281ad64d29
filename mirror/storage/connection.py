"""Connections to Redis: bounded pools with deadlines, for the mirror and for arq alike."""

from typing import Any
from urllib.parse import urlsplit

import msgspec
from arq.connections import ArqRedis
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

from mirror.settings import Settings, SettingsError

CONNECT_TIMEOUT_S = 2.0
# A command that Redis does not answer within this fails: the deadline lies in the socket, because cancelling a command
# from outside throws its connection away.
COMMAND_TIMEOUT_S = 2.0
POOL_TIMEOUT_S = 2.0

# What a caller may have to expect of a Redis that is away, hung or full. redis-py lets builtin OSErrors through.
UNAVAILABLE = (RedisError, OSError, TimeoutError)


def connect(settings: Settings, redis_url: str, connections: int | None = None) -> ArqRedis:
    """Make a client of the Redis at `redis_url`; nothing is connected before its first command.

    It opens at most `connections` connections, as many as REDIS_MAX_CONNECTIONS allows if not given.
    Raises SettingsError if the URL cannot be used. Commands raise one of UNAVAILABLE: they are tried twice, so each
    one that is sent must bear being repeated.
    """
    try:
        pool = BlockingConnectionPool.from_url(redis_url, **_options(settings, redis_url, connections))
    except ValueError as error:
        raise SettingsError("REDIS_URL", f"cannot be used: {error}") from None
    # arq also serializes how a job failed, an exception, although nobody keeps it: its repr will do.
    encode = msgspec.msgpack.Encoder(enc_hook=repr).encode
    return ArqRedis(pool_or_conn=pool, job_serializer=encode, job_deserializer=msgspec.msgpack.decode)


def _options(settings: Settings, redis_url: str, connections: int | None) -> dict[str, Any]:
    options: dict[str, Any] = {
        "max_connections": connections or settings.redis_max_connections,
        "timeout": POOL_TIMEOUT_S,
        "socket_timeout": COMMAND_TIMEOUT_S,
        # redis-py's own health check is off: against a server that hangs, connecting pings, whose retry connects,
        # which pings, without end. The pool notices connections that the server closed, as Heroku does after 300 s.
        "health_check_interval": 0,
        "retry": Retry(ExponentialBackoff(cap=0.2, base=0.05), retries=1),
        "retry_on_error": [OSError],
    }
    scheme = urlsplit(redis_url).scheme
    if scheme != "unix":
        options |= {"socket_connect_timeout": CONNECT_TIMEOUT_S, "socket_keepalive": True}
    if scheme == "rediss":
        # redis-py's default takes a certificate that anybody has got, for whatever name.
        verify = settings.redis_tls_verify
        options |= {"ssl_cert_reqs": "required" if verify else "none", "ssl_check_hostname": verify}
    return options

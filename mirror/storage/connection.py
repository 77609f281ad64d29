"""Connections to Redis: bounded pools with deadlines, for the mirror and for arq alike."""

from typing import Any
from urllib.parse import urlsplit

import msgspec
from arq.connections import ArqRedis
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from mirror.sentinel_urls import sentinels
from mirror.settings import Settings, SettingsError
from mirror.storage.errors import mapped, mapping
from mirror.storage.sentinel import sentinel_pool

CONNECT_TIMEOUT_S = 2.0
# A command that Redis does not answer within this fails: the deadline lies in the socket, because cancelling a command
# from outside throws its connection away.
COMMAND_TIMEOUT_S = 2.0
POOL_TIMEOUT_S = 2.0


class _Pipeline(Pipeline):
    async def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - redis-py's signature
        with mapping():
            return [
                mapped(answer) if isinstance(answer, Exception) else answer
                for answer in await super().execute(raise_on_error)
            ]

    async def immediate_execute_command(self, *args: Any, **options: Any) -> Any:
        with mapping():
            return await super().immediate_execute_command(*args, **options)  # type: ignore[no-untyped-call]


class Client(ArqRedis):
    """A client of Redis that raises StorageUnavailableError (`mirror.storage.errors`)."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        with mapping():
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Any:  # noqa: FBT001, FBT002 - redis-py's signature
        return _Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)

    def for_arq(self) -> ArqRedis:
        """Return a client on the same connections for arq's worker, which expects redis-py's own errors."""
        return ArqRedis(
            pool_or_conn=self.connection_pool,
            job_serializer=self.job_serializer,
            job_deserializer=self.job_deserializer,
        )


def connect(settings: Settings, redis_url: str, connections: int | None = None) -> Client:
    """Make a client of the Redis at `redis_url`; nothing is connected before its first command.

    It opens at most `connections` connections, as many as REDIS_MAX_CONNECTIONS allows if not given.
    Raises SettingsError if the URL cannot be used. A command that fails is tried twice, so each one that is sent must
    bear being repeated.
    """
    try:
        pool = _pool(settings, redis_url, connections)
    except ValueError as error:
        raise SettingsError("REDIS_URL", f"cannot be used: {error}") from None
    # arq also serializes how a job failed, an exception, although nobody keeps it: its repr will do.
    encode = msgspec.msgpack.Encoder(enc_hook=repr).encode
    return Client(pool_or_conn=pool, job_serializer=encode, job_deserializer=msgspec.msgpack.decode)


def _pool(settings: Settings, redis_url: str, connections: int | None) -> BlockingConnectionPool:
    options = _options(settings, redis_url, connections)
    known = sentinels(redis_url)
    if known is not None:
        return sentinel_pool(known, options, _tls(settings))
    return BlockingConnectionPool.from_url(redis_url, **options)


def _tls(settings: Settings) -> dict[str, Any]:
    # redis-py's default takes a certificate that anybody has got, for whatever name.
    verify = settings.redis_tls_verify
    return {"ssl_cert_reqs": "required" if verify else "none", "ssl_check_hostname": verify}


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
        options |= _tls(settings)
    return options

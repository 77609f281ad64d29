"""Connections to the primary that Redis Sentinels name, and to the next one after a failover."""

from typing import Any

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.sentinel import (
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)

from mirror.sentinel_urls import Sentinels

# A sentinel that does not answer within this is passed over: the next one is asked.
SENTINEL_TIMEOUT_S = 0.5


class SentinelPool(SentinelConnectionPool, BlockingConnectionPool):
    """A bounded pool whose connections lead to the primary of the moment.

    A connection that breaks, or whose server has become a replica, asks the sentinels anew when it connects again.
    """

    async def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        await super().disconnect(inuse_connections)
        # Else this is redis-py itself, that has learned of another primary.
        if inuse_connections:
            for sentinel in self.sentinel_manager.sentinels:
                await sentinel.aclose()


def sentinel_pool(known: Sentinels, options: dict[str, Any], tls: dict[str, Any]) -> SentinelPool:
    """Make a pool with the options of a plain one; `tls` are those of a connection with TLS."""
    timeouts = {"socket_timeout": SENTINEL_TIMEOUT_S, "socket_connect_timeout": SENTINEL_TIMEOUT_S}
    to_sentinels = {"username": known.sentinel_username, "password": known.sentinel_password, **timeouts}
    if known.tls:
        to_sentinels |= {"ssl": True, **tls}
    manager = Sentinel(known.addresses, sentinel_kwargs=to_sentinels)
    return SentinelPool(  # type: ignore[no-untyped-call]
        known.service,
        manager,
        connection_class=SentinelManagedSSLConnection if known.tls else SentinelManagedConnection,
        username=known.username,
        password=known.password,
        db=known.db,
        **options,
        **(tls if known.tls else {}),
    )

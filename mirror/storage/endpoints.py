"""Endpoints of outgoing webhooks in Redis: their configuration, and how far the sending to each has come."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from redis.exceptions import WatchError

from mirror.domain.feed import BEGINNING, Entry, Position
from mirror.domain.outgoing import Answer, Endpoint, Item, State
from mirror.storage import feed, keys
from mirror.storage.store import Store

_PARTS = ("cursor", "pending", "parked", "facts", "answers", "lease")
_ENDPOINT = msgspec.json.Decoder(Endpoint)
_ITEM = msgspec.json.Decoder(Item)
_ANSWER = msgspec.json.Decoder(Answer)
_ENCODE = msgspec.json.Encoder().encode
_PACK = msgspec.msgpack.Encoder().encode
# Entries that are counted to tell how far an endpoint lags behind.
MOST_COUNTED = 1_000


class UnknownEndpointError(LookupError):
    """No endpoint has this id."""


class Sending(msgspec.Struct):
    """What a sender needs to go on: where it stands, and what is pending."""

    cursor: Position
    pending: list[Item]
    failing_since: int


class News(msgspec.Struct, kw_only=True):
    """What a sender has to write, all as text, which is all that Redis's cmsgpack knows; see endpoint_flush.lua."""

    cursor: str = ""
    put: dict[str, str] = {}
    park: dict[str, str] = {}
    drop: list[str] = []
    counts: dict[str, int] = {}
    facts: dict[str, str] = {}
    answers: list[str] = []
    answers_kept: int = keys.ANSWERS_KEPT
    parked_kept: int = keys.ITEMS_KEPT


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How an endpoint stands. `lag_events`: how many events wait for it, as far as they were counted.

    `lag_ms`: how old the oldest of them is; `failing_since` is in ms since 1970 UTC, 0 if the last attempt succeeded.
    """

    endpoint: Endpoint
    cursor: str
    lag_events: int
    lag_ms: int
    pending: int
    parked: int
    delivered: int
    failed: int
    failing_since: int
    answers: Sequence[Answer] = ()


async def all_endpoints(store: Store) -> list[Endpoint]:
    """Read every endpoint, the oldest first."""
    found = await store.redis.execute_command("HGETALL", keys.ENDPOINTS)
    endpoints = [_ENDPOINT.decode(data) for data in found.values()]
    return sorted(endpoints, key=lambda one: (one.created_at, one.id))


async def get(store: Store, endpoint_id: str) -> Endpoint:
    """Read one endpoint. Raises UnknownEndpointError."""
    return _found(endpoint_id, await store.redis.execute_command("HGET", keys.ENDPOINTS, endpoint_id))


def _found(endpoint_id: str, data: bytes | None) -> Endpoint:
    if data is None:
        raise UnknownEndpointError(endpoint_id)
    return _ENDPOINT.decode(data)


async def add(store: Store, endpoint: Endpoint, cursor: Position) -> None:
    """Add an endpoint that begins behind `cursor`."""
    async with store.redis.pipeline(transaction=True) as pipe:
        pipe.set(keys.endpoint(endpoint.id, "cursor"), str(cursor))
        pipe.execute_command("HSET", keys.ENDPOINTS, endpoint.id, _ENCODE(endpoint))
        await pipe.execute()


async def change(
    store: Store,
    endpoint_id: str,
    changed: Callable[[Endpoint], Endpoint] = lambda one: one,
    cursor: Position | None = None,
    *,
    anew: bool = False,
) -> Endpoint:
    """Change an endpoint's configuration; its sender begins anew, from `cursor` where one is given.

    `anew`: what the sender has not written yet is not to be written any more, as it is not with a cursor either. Then
    what is pending from there on is dropped, as the feed tells of it again, in its order.
    Raises UnknownEndpointError.
    """
    while True:
        async with store.redis.pipeline(transaction=True) as pipe:
            # Read over the connection that watches: a pool of one must do.
            await pipe.watch(keys.ENDPOINTS, keys.endpoint(endpoint_id, "pending"))
            data: Any = await pipe.execute_command("HGET", keys.ENDPOINTS, endpoint_id)
            before = _found(endpoint_id, data)
            found: Any = await pipe.execute_command("HGETALL", keys.endpoint(endpoint_id, "pending"))
            waiting = [] if cursor is None else _items(found)
            epoch = before.epoch + (1 if anew or cursor is not None else 0)
            after = msgspec.structs.replace(changed(before), revision=before.revision + 1, epoch=epoch)
            pipe.multi()
            pipe.execute_command("HSET", keys.ENDPOINTS, endpoint_id, _ENCODE(after))
            if cursor is not None:
                pipe.set(keys.endpoint(endpoint_id, "cursor"), str(cursor))
                for item in waiting:
                    if Position.read(item.position) > cursor:
                        pipe.execute_command("HDEL", keys.endpoint(endpoint_id, "pending"), item.position)
            if after.state is State.ACTIVE and before.state is not State.ACTIVE:
                pipe.execute_command("HDEL", keys.endpoint(endpoint_id, "facts"), "failing_since")
            try:
                await pipe.execute()
            except WatchError:
                continue
            return after


async def remove(store: Store, endpoint_id: str) -> None:
    """Remove an endpoint with all that was kept of it.

    Raises UnknownEndpointError.
    """
    await get(store, endpoint_id)
    async with store.redis.pipeline(transaction=True) as pipe:
        pipe.execute_command("HDEL", keys.ENDPOINTS, endpoint_id)
        pipe.delete(*(keys.endpoint(endpoint_id, part) for part in _PARTS))
        await pipe.execute()


async def hold(store: Store, endpoint_id: str, holder: str, lease_ms: int | None = None) -> bool:
    """Take or keep the lease of an endpoint, or give it up with 0 ms; tells whether it is the caller's."""
    return bool(
        await store.hold(
            keys=[keys.endpoint(endpoint_id, "lease")],
            args=[holder, keys.ENDPOINT_LEASE_MS if lease_ms is None else lease_ms],
        )
    )


async def load(store: Store, endpoint_id: str) -> Sending:
    """Read where the sending to an endpoint stands."""
    async with store.redis.pipeline(transaction=True) as pipe:
        pipe.get(keys.endpoint(endpoint_id, "cursor"))
        pipe.hgetall(keys.endpoint(endpoint_id, "pending"))
        pipe.hget(keys.endpoint(endpoint_id, "facts"), "failing_since")
        cursor, pending, failing_since = await pipe.execute()
    return Sending(
        BEGINNING if cursor is None else Position.read(cursor.decode()),
        _items(pending),
        int(failing_since or 0),
    )


def _items(found: Mapping[bytes, bytes]) -> list[Item]:
    return sorted((_ITEM.decode(data) for data in found.values()), key=lambda item: Position.read(item.position))


def encode_item(item: Item) -> str:
    return _ENCODE(item).decode()


def encode_answer(answer: Answer) -> str:
    return _ENCODE(answer).decode()


async def flush(store: Store, endpoint: Endpoint, holder: str, news: News) -> bool:
    """Write how far the sending has come; False, with nothing written, to whoever is not its sender any more.

    Raises StorageUnavailableError; writing it again is harmless but for the counts.
    """
    names = [keys.ENDPOINTS, *(keys.endpoint(endpoint.id, part) for part in ("lease", *_PARTS[:-1]))]
    args = [endpoint.id, holder, str(endpoint.epoch), _PACK(news)]
    return bool(await store.endpoint_flush(keys=names, args=args))


async def parked(store: Store, endpoint_id: str) -> list[Item]:
    """Read the events that the receiver has refused for good."""
    return _items(await store.redis.execute_command("HGETALL", keys.endpoint(endpoint_id, "parked")))


async def pending(store: Store, endpoint_id: str) -> list[Item]:
    """Read the events that wait to be sent again."""
    return _items(await store.redis.execute_command("HGETALL", keys.endpoint(endpoint_id, "pending")))


async def take_out(store: Store, endpoint_id: str, part: str, items: Sequence[Item], *, again: bool) -> None:
    """Take events out of `pending` or `parked`; `again` puts them into `pending`, to be sent now."""
    async with store.redis.pipeline(transaction=True) as pipe:
        for item in items:
            pipe.hdel(keys.endpoint(endpoint_id, part), item.position)
            if again:
                fresh = msgspec.structs.replace(item, next_at=0, failures=0, refused_since=0)
                pipe.execute_command("HSET", keys.endpoint(endpoint_id, "pending"), item.position, _ENCODE(fresh))
        await pipe.execute()


async def standing(store: Store, endpoint: Endpoint, now: int, most_counted: int = MOST_COUNTED) -> Standing:
    """Tell how an endpoint stands at `now` (ms since 1970 UTC); of what waits `most_counted` are looked at."""
    async with store.redis.pipeline(transaction=True) as pipe:
        pipe.get(keys.endpoint(endpoint.id, "cursor"))
        pipe.hgetall(keys.endpoint(endpoint.id, "pending"))
        pipe.hlen(keys.endpoint(endpoint.id, "parked"))
        pipe.hgetall(keys.endpoint(endpoint.id, "facts"))
        pipe.lrange(keys.endpoint(endpoint.id, "answers"), 0, -1)
        cursor, waiting, parked_count, facts, answers = await pipe.execute()
    position = BEGINNING if cursor is None else Position.read(cursor.decode())
    ahead = await feed.peek(store, position, most_counted)
    items = _items(waiting)
    late = [item for item in items if item.held_until <= now]  # what is held is not late
    counts = {name.decode(): int(value) for name, value in facts.items()}
    return Standing(
        endpoint=endpoint,
        cursor=str(position),
        lag_events=min(most_counted, len(ahead) + len(late)),
        lag_ms=_lag(ahead, late, now),
        pending=len(items),
        parked=parked_count,
        delivered=counts.get("delivered", 0),
        failed=counts.get("failed", 0),
        failing_since=counts.get("failing_since", 0),
        answers=[_ANSWER.decode(data) for data in answers],
    )


def _lag(ahead: Sequence[Entry], items: Sequence[Item], now: int) -> int:
    oldest = [one.position.at for one in ahead[:1]] + [Position.read(one.position).at for one in items[:1]]
    return max(0, now - min(oldest)) if oldest else 0

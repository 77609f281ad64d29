"""Silence in Redis: deliveries counted by the hour, and since when they stay away."""

from collections.abc import Mapping

import msgspec

from mirror.clock import iso, span
from mirror.domain.feed import SILENCE_BEGAN, SILENCE_ENDED
from mirror.domain.silence import HOURS_KEPT, Hour, Judgement, Reason, Standing
from mirror.storage import keys
from mirror.storage.server import Finding
from mirror.storage.store import Store

# What counts as a delivery: all that Partoo sent about a review and that is kept.
COUNTED = ("deliveries:accepted", "deliveries:dead_letter")
# Whoever looks less often does not know when a delivery came.
LONGEST_LOOK_MS = 60_000


async def count(store: Store, now: int) -> int:
    """Count what came since the last look; returns when the last delivery came. `now` is in ms since 1970 UTC."""
    args = [now, LONGEST_LOOK_MS, HOURS_KEPT, *COUNTED]
    return int(await store.count_deliveries(keys=[keys.COUNTERS, keys.DELIVERY_HOURS, keys.SILENCE], args=args))


async def hours(store: Store) -> dict[int, Hour]:
    """Read what is known of each hour, by its number since 1970."""
    found = await store.redis.execute_command("HGETALL", keys.DELIVERY_HOURS)
    return {int(number): _hour(value) for number, value in found.items()}


def _hour(value: bytes) -> Hour:
    deliveries, _, wait = value.partition(b" ")
    return Hour(int(deliveries), int(wait))


async def standing(store: Store) -> Standing:
    """Read how it stands."""
    found = await store.redis.execute_command("HGETALL", keys.SILENCE)
    told = {name.decode(): value.decode() for name, value in found.items()}
    numbers = {name: int(told[name]) for name in ("last_at", "since", "began_at", "usual_gap", "limit") if name in told}
    return Standing(**numbers, reason=Reason(told["reason"]) if "reason" in told else None)


def finding(standing: Standing, now: int) -> Finding | None:
    """Say that deliveries stay away, unless Partoo says that there are none; `now` is in ms since 1970 UTC."""
    if standing.since is None or standing.reason is Reason.QUIET:
        return None
    usual = "" if standing.usual_gap is None else f" (usually {span(standing.usual_gap)} at most)"
    moved = ", although reviews have changed at Partoo" if standing.reason is Reason.DEAF else ""
    return Finding(
        f"no delivery has come for {span(now - standing.since)}{usual}{moved}",
        "look whether the webhook is still on at Partoo and reaches this service: docs/operations.md, Silence",
    )


async def note(store: Store, judgement: Judgement) -> None:
    """Keep what is usual, for those who show it."""
    learned = {"usual_gap": judgement.usual_gap, "limit": judgement.limit}
    async with store.redis.pipeline(transaction=True) as pipe:
        for name, value in learned.items():
            if value is None:
                pipe.hdel(keys.SILENCE, name)
            else:
                pipe.execute_command("HSET", keys.SILENCE, name, value)
        await pipe.execute()


async def begin(store: Store, since: int, now: int, judgement: Judgement, reason: Reason) -> bool:
    """Begin a silence; tells whether this caller is the first to do so, and no delivery has come meanwhile."""
    facts = {"since": iso(since), "reason": reason, "usual_longest_gap_s": _seconds(judgement.usual_gap)}
    return await _tell(store, SILENCE_BEGAN, since, facts, "began_at", now, "reason", reason)


async def end(store: Store, silent: Standing, now: int) -> bool:
    """End a silence; tells whether this caller is the first to do so."""
    assert silent.since is not None  # noqa: S101 - only a silence can end
    facts = {"since": iso(silent.since), "ended_at": iso(now), "lasted_s": (now - silent.since) / 1000}
    return await _tell(store, SILENCE_ENDED, silent.since, {**facts, "reason": silent.reason})


async def set_reason(store: Store, reason: Reason) -> None:
    """Keep what Partoo says by now."""
    await store.redis.execute_command("HSET", keys.SILENCE, "reason", reason)


async def _tell(store: Store, kind: str, since: int, facts: Mapping[str, object], *remembered: object) -> bool:
    args = [kind, since, msgspec.json.encode(facts), store.feed_length, *remembered]
    return bool(await store.tell_silence(keys=[keys.SILENCE, keys.FEED], args=args))


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000

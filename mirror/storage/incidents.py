"""Incidents in Redis: those that commit.lua opened, their closing, and those closed of late."""

from collections.abc import Mapping
from typing import Any

import msgspec

from mirror.domain.incidents import BACK, CloseReason, Incident
from mirror.storage import keys
from mirror.storage.absences import back_histogram
from mirror.storage.store import Store

# Reviews that one call lets go when an incident closes: some milliseconds of Redis.
LET_GO_AT_A_TIME = 2_000
_NOT_OPEN = -1

_FACTS = msgspec.json.Decoder(dict[str, str])


async def open_incidents(store: Store) -> list[Incident]:
    """Read the incidents that are open, the newest first."""
    scopes = [scope.decode() for scope in await store.redis.execute_command("SMEMBERS", keys.INCIDENTS)]
    async with store.redis.pipeline(transaction=True) as pipe:
        for scope in scopes:
            pipe.hgetall(keys.INCIDENT_PREFIX + scope)
            pipe.zcard(keys.HELD_PREFIX + scope)
        answers = await pipe.execute()
    found = [
        _incident({name.decode(): value.decode() for name, value in facts.items()} | {"scope": scope}, held)
        for scope, facts, held in zip(scopes, answers[::2], answers[1::2], strict=True)
        # Closed since its scope was read.
        if facts
    ]
    return sorted(found, key=lambda incident: (-incident.opened_at, incident.scope))


async def closed_incidents(store: Store, first: int, limit: int) -> list[Incident]:
    """Read closed incidents from the `first`, counted from 0, of those closed last."""
    found = await store.redis.zrange(keys.CLOSED_INCIDENTS, first, first + limit - 1, desc=True)
    return [decode_facts(data) for data in found]


async def page(store: Store, first: int, limit: int) -> list[Incident]:
    """Read incidents from the `first`, counted from 0: the open ones, then those closed last."""
    found = await open_incidents(store)
    shown = found[first : first + limit]
    if len(shown) < limit:
        first_closed = min(max(0, first - len(found)), keys.CLOSED_INCIDENTS_KEPT)
        shown += await closed_incidents(store, first_closed, limit - len(shown))
    return shown


async def tell_once(store: Store, incident: Incident) -> bool:
    """Tell whether this caller is the first to ask for this open incident: the one to log it."""
    scope = incident.scope
    key_names = [keys.INCIDENT_PREFIX + scope, keys.HELD_PREFIX + scope, keys.FEED]
    return bool(await store.tell_incident(keys=key_names, args=[scope, incident.opened_at, store.feed_length]))


async def close(store: Store, incident: Incident, now: int, reason: CloseReason) -> Incident | None:
    """Close an incident and let its missing reviews have their grace; returns it as closed, None to all but one caller.

    Raises StorageUnavailableError; closing it again goes on where it stopped.
    """
    scope = incident.scope
    key_names = [keys.INCIDENT_PREFIX + scope, keys.HELD_PREFIX + scope, keys.ABSENCES]
    key_names += [keys.INCIDENTS, keys.CLOSED_INCIDENTS, keys.FEED]
    args = [scope, incident.opened_at, now, reason, LET_GO_AT_A_TIME, keys.CLOSED_INCIDENTS_KEPT, store.feed_length]
    while isinstance(answer := await store.close_incident(keys=key_names, args=args), int):
        if answer == _NOT_OPEN:
            return None
    return decode_facts(answer)


def decode_facts(data: bytes) -> Incident:
    """Read an incident as the scripts write it to the feed and to those closed of late."""
    facts = _FACTS.decode(data)
    return _incident(facts, int(facts["missing"]))


def _incident(facts: Mapping[str, Any], missing: int) -> Incident:
    reason = facts.get("closed_by")
    return Incident(
        scope=facts["scope"],
        opened_at=int(facts["opened_at"]),
        first_vanished_at=int(facts["first_vanished_at"]),
        last_vanished_at=int(facts["last_vanished_at"]),
        absences=int(facts["absences"]),
        returned=int(facts.get("returned", 0)),
        missing=missing,
        back=back_histogram({name: int(value) for name, value in facts.items() if name.startswith(BACK)}),
        closed_at=int(facts["closing_at"]) if reason else None,
        closed_by=CloseReason(reason) if reason else None,
    )

"""`GET /healthz`: this process answers. `GET /readyz`: the mirror as a whole works."""

import asyncio
from typing import Any

import msgspec
from aiohttp import web

from mirror.storage import inbox, server, workers
from mirror.storage.connection import UNAVAILABLE
from mirror.storage.store import Store
from service.app_keys import MEMORY_GUARD, READ_STORE
from service.errors import error_of, json_response
from service.requests import LOG_FACTS
from service.webhook.memory_guard import MemoryGuard


class Readiness(msgspec.Struct):
    """`problems` make the mirror not ready; `warnings` say what endangers it."""

    problems: list[str]
    warnings: list[str]
    facts: dict[str, Any]


async def healthz(_request: web.Request) -> web.Response:
    return json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    readiness = await _readiness(request.app[READ_STORE], request.app[MEMORY_GUARD])
    body: dict[str, Any] = {"status": "not_ready" if readiness.problems else "ready"}
    if readiness.problems:
        body |= error_of("not_ready", "; ".join(readiness.problems), request[LOG_FACTS]["request_id"])
    body |= {"problems": readiness.problems, "warnings": readiness.warnings, **readiness.facts}
    return json_response(body, 503 if readiness.problems else 200)


async def _readiness(store: Store, pressure: MemoryGuard) -> Readiness:
    try:
        backlog, heartbeats, facts = await asyncio.gather(
            inbox.backlog(store), workers.heartbeats(store), server.inspect(store)
        )
    except UNAVAILABLE:
        return Readiness(["Redis does not answer"], [], {"redis": "unavailable"})
    age = backlog.age_ms / 1000
    problems = []
    replica, full = server.replica_finding(facts), server.memory_finding(facts)
    if replica is not None:
        problems.append(f"{replica.problem}: {replica.remedy}")
    if full is not None:
        problems.append(f"{full.problem}: {full.remedy}")
    elif pressure.high:
        nearly = server.nearly_full(facts)
        problems.append(f"{nearly.problem}: {nearly.remedy}")
    if full is None and not heartbeats.alive:
        problems.append("no worker is alive: deliveries are stored, but not applied")
    if age * 1000 > inbox.LATE_AFTER_MS:
        problems.append(f"the oldest waiting delivery has waited for {age:.0f} s")
    findings = (server.eviction_finding(facts), server.persistence_finding(facts))
    heartbeat_age = heartbeats.age_ms
    return Readiness(
        problems,
        [f"{finding.problem}: {finding.remedy}" for finding in findings if finding is not None],
        {
            "redis": "ok",
            "workers": len(heartbeats.alive),
            "worker_heartbeat_age_s": None if heartbeat_age is None else heartbeat_age / 1000,
            "waiting_reviews": backlog.reviews,
            "oldest_waiting_s": age,
        },
    )

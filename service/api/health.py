"""`GET /healthz`: this process answers. `GET /readyz`: the mirror as a whole works."""

import asyncio
from typing import Any

import msgspec
from aiohttp import web

from mirror.storage import erased_files, inbox, server, silence, workers
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.probe import WriteProbe, explain
from mirror.storage.refusals import NO_ANSWER
from mirror.storage.store import Store
from mirror.views import silence_view
from service.api.shared import Shared
from service.errors import error_of, json_response
from service.requests import LOG_FACTS
from service.webhook.memory_guard import MemoryGuard

NO_WORKER = "no worker is alive"
STORED_ONLY = "deliveries are stored, but not applied"


class Readiness(msgspec.Struct):
    """`problems` make the mirror not ready; `warnings` say what endangers it."""

    problems: list[str]
    warnings: list[str]
    facts: dict[str, Any]


READINESS = web.AppKey("readiness", Shared[Readiness])


async def healthz(_request: web.Request) -> web.Response:
    return json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    readiness = await request.app[READINESS].get()
    body: dict[str, Any] = {"status": "not_ready" if readiness.problems else "ready"}
    if readiness.problems:
        body |= error_of("not_ready", "; ".join(readiness.problems), request[LOG_FACTS]["request_id"])
    body |= {"problems": readiness.problems, "warnings": readiness.warnings, **readiness.facts}
    return json_response(body, 503 if readiness.problems else 200)


async def look(store: Store, pressure: MemoryGuard, probe: WriteProbe) -> Readiness:
    """See whether the mirror as a whole works."""
    try:
        backlog, heartbeats, facts, refused, unclean, now = await asyncio.gather(
            inbox.backlog(store),
            workers.heartbeats(store),
            server.inspect(store),
            probe.look(),
            erased_files.finding(store),
            store.now(),
        )
        quiet = await silence.standing(store)
    except StorageUnavailableError as error:
        found = await explain(store, error)
        if found.problem.startswith(NO_ANSWER):
            problem = NO_ANSWER if found.problem == NO_ANSWER else _told(found)
            return Readiness([problem], [], {"redis": "unavailable"})
        return Readiness([_told(found)], [], {"redis": "refuses"})
    problems = _storing_problems(facts, pressure, refused)
    if not heartbeats.alive:
        # Deliveries that are refused are not stored.
        problems.append(NO_WORKER if problems else f"{NO_WORKER}: {STORED_ONLY}")
    age = backlog.age_ms / 1000
    if backlog.age_ms > inbox.LATE_AFTER_MS:
        problems.append(f"the oldest waiting delivery has waited for {age:.0f} s")
    findings = (
        server.eviction_finding(facts),
        server.persistence_finding(facts),
        unclean,
        silence.finding(quiet, now),
        server.clock_finding(store),
    )
    heartbeat_age = heartbeats.age_ms
    return Readiness(
        problems,
        [_told(finding) for finding in findings if finding is not None],
        {
            "redis": "ok" if refused is None else "refuses",
            "workers": len(heartbeats.alive),
            "worker_heartbeat_age_s": None if heartbeat_age is None else heartbeat_age / 1000,
            "waiting_reviews": backlog.reviews,
            "oldest_waiting_s": age,
            "clock_skew_s": store.clock.skew_ms() / 1000,
            "silence": silence_view(quiet, now),
        },
    )


def _storing_problems(facts: server.Server, pressure: MemoryGuard, refused: server.Finding | None) -> list[str]:
    """Say what keeps deliveries from being stored."""
    full = server.memory_finding(facts)
    if full is None and pressure.high:
        full = server.nearly_full(facts)
    return [_told(finding) for finding in (refused, full) if finding is not None]


def _told(finding: server.Finding) -> str:
    return f"{finding.problem}: {finding.remedy}"

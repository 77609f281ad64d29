"""`GET /metrics`: the fleet's counts, read from Redis, in the Prometheus text format."""

import asyncio
from collections.abc import Iterable

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from mirror.domain.silence import Reason
from mirror.storage import (
    counters,
    dead_letters,
    endpoints,
    inbox,
    incidents,
    reads,
    server,
    silence,
    sink,
    verification,
    workers,
)
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.probe import WriteProbe
from mirror.storage.store import Store
from service.api.fleet_metrics import Snapshot, fleet_metrics
from service.api.shared import Shared

METRICS = web.AppKey("metrics", Shared[bytes])


async def metrics(request: web.Request) -> web.Response:
    return web.Response(body=await request.app[METRICS].get(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def expose(store: Store, probe: WriteProbe) -> bytes:
    """Read the counts, and write them as Prometheus reads them; without Redis, that it does not answer."""
    try:
        snapshot = await _snapshot(store)
        refused = await probe.look()
        snapshot = msgspec.structs.replace(snapshot, takes_deliveries=refused is None)
    except StorageUnavailableError:
        snapshot = None
    registry = CollectorRegistry()
    registry.register(_Fleet(snapshot))
    return generate_latest(registry)


async def _snapshot(store: Store) -> Snapshot:
    counts, reviews, uncertain, backlog, letters = await asyncio.gather(
        counters.read(store),
        reads.counts_by_status_and_partner(store),
        reads.counts_of_uncertain(store),
        inbox.backlog(store),
        dead_letters.count(store),
    )
    heartbeats, questions, second_looks, opened, now = await asyncio.gather(
        workers.heartbeats(store),
        verification.count(store),
        verification.count_second_looks(store),
        incidents.open_incidents(store),
        store.now(),
    )
    memory = await server.memory(store)
    state = await sink.read_state(store)
    quiet = await silence.standing(store)
    return Snapshot(
        counts,
        reviews,
        waiting=backlog.reviews,
        oldest_waiting_s=backlog.age_ms / 1000,
        dead_letters=letters,
        workers=len(heartbeats.alive),
        open_questions=questions,
        second_looks=second_looks,
        uncertain=uncertain,
        open_incidents=len(opened),
        held=sum(incident.missing for incident in opened),
        memory_ratio=memory.share,
        clock_skew_s=store.clock.skew_ms() / 1000,
        endpoints=[await endpoints.standing(store, one, now) for one in await endpoints.all_endpoints(store)],
        now=now,
        silence_s=0.0 if quiet.last_at is None else max(0, now - quiet.last_at) / 1000,
        silent=quiet.since is not None and quiet.reason is not Reason.QUIET,
        sink=None if state is None else (state, await sink.lag(store, state)),
    )


class _Fleet(Collector):
    def __init__(self, snapshot: Snapshot | None) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterable[Metric]:
        return fleet_metrics(self._snapshot)

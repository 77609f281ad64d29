"""`GET /metrics`: the fleet's counts, read from Redis, in the Prometheus text format."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from mirror.domain.changes import Certainty
from mirror.storage import counters, dead_letters, inbox, incidents, reads, server, verification, workers
from mirror.storage.connection import UNAVAILABLE
from mirror.storage.histogram import LABELS
from mirror.storage.probe import WriteProbe
from mirror.storage.store import Store
from service.api.shared import Shared


class Snapshot(msgspec.Struct, frozen=True):
    """What Redis says at one moment."""

    counts: Mapping[str, int]
    reviews: Mapping[tuple[str, str], int]
    waiting: int
    oldest_waiting_s: float
    dead_letters: int
    workers: int
    open_questions: int
    second_looks: int = 0
    uncertain: Mapping[str, int] = {}
    open_incidents: int = 0
    held: int = 0
    memory_share: float = 0.0
    takes_deliveries: bool = True


METRICS = web.AppKey("metrics", Shared[bytes])


async def metrics(request: web.Request) -> web.Response:
    return web.Response(body=await request.app[METRICS].get(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def expose(store: Store, probe: WriteProbe) -> bytes:
    """Read the counts, and write them as Prometheus reads them; without Redis, that it does not answer."""
    try:
        snapshot = await _snapshot(store)
        refused = await probe.look()
        snapshot = msgspec.structs.replace(snapshot, takes_deliveries=refused is None)
    except UNAVAILABLE:
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
    heartbeats, questions, second_looks, opened = await asyncio.gather(
        workers.heartbeats(store),
        verification.count(store),
        verification.count_second_looks(store),
        incidents.open_incidents(store),
    )
    memory = await server.memory(store)
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
        memory_share=memory.share,
    )


class _Fleet(Collector):
    def __init__(self, snapshot: Snapshot | None) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterable[Metric]:
        return fleet_metrics(self._snapshot)


def fleet_metrics(snapshot: Snapshot | None) -> Iterator[Metric]:
    """Make the metrics of a snapshot; of None, that Redis does not answer."""
    yield _gauge("redis_up", "Whether Redis answers; without it nothing else is shown.", int(snapshot is not None))
    if snapshot is not None:
        yield from _counters(snapshot.counts)
        yield from _gauges(snapshot)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"reviewmirror_{name}", text, value=value)


def _gauges(snapshot: Snapshot) -> Iterator[Metric]:
    reviews = GaugeMetricFamily("reviewmirror_reviews", "Reviews mirrored.", labels=("status", "partner"))
    # Of a partner that no review is at any more nothing is shown.
    used = {partner for (_, partner), count in snapshot.reviews.items() if count}
    for (status, partner), count in snapshot.reviews.items():
        if partner in used:
            reviews.add_metric((status, partner), count)
    yield reviews
    yield _by_certainty(snapshot)
    yield _gauge(
        "redis_takes_deliveries", "Whether Redis takes what a delivery needs, as tried.", int(snapshot.takes_deliveries)
    )
    yield _gauge("waiting_reviews", "Reviews with deliveries that are not applied yet.", snapshot.waiting)
    yield _gauge("oldest_waiting_seconds", "Age of the oldest delivery not applied yet.", snapshot.oldest_waiting_s)
    yield _gauge("dead_letters", "Signed deliveries that could not be read, kept to be retried.", snapshot.dead_letters)
    yield _gauge("open_questions", "Reviews about which Partoo is still to be asked.", snapshot.open_questions)
    yield _gauge("second_looks", "Answered reviews about which Partoo is asked once more.", snapshot.second_looks)
    yield _gauge(
        "redis_memory_share", "Memory of Redis in use, as a share of its limit; 0: no limit.", snapshot.memory_share
    )
    yield _gauge("workers", "Workers with a recent heartbeat.", snapshot.workers)
    yield _gauge("open_incidents", "Businesses or partners many reviews of which vanished.", snapshot.open_incidents)
    yield _gauge("held_reviews", "Missing reviews that open incidents keep from becoming gone.", snapshot.held)


def _by_certainty(snapshot: Snapshot) -> Metric:
    proven = max(0, sum(snapshot.reviews.values()) - sum(snapshot.uncertain.values()))
    family = GaugeMetricFamily(
        "reviewmirror_reviews_by_certainty",
        "Reviews mirrored, by how far the mirror can vouch for them.",
        labels=["certainty"],
    )
    for certainty, count in {str(Certainty.PROVEN): proven, **snapshot.uncertain}.items():
        family.add_metric((certainty,), count)
    return family


def _counters(counts: Mapping[str, int]) -> Iterator[Metric]:
    yield _labelled(counts, "deliveries", "outcome", "Deliveries received, by what was answered.")
    yield _labelled(counts, "refused_requests", "reason", "What may have been a delivery, at a wrong address.")
    yield _labelled(counts, "decisions", "decision", "Deliveries applied, by what they meant for their review.")
    yield _labelled(counts, "verification", "step", "Partoo asked where a delivery could not tell, by what came of it.")
    yield _labelled(counts, "reconciliation", "step", "The mirror compared with Partoo, by what came of it.")
    ambiguous = CounterMetricFamily(
        "reviewmirror_ambiguous_changes", "Changes whose payload and order alone could not vouch for them."
    )
    ambiguous.add_metric((), counts.get("ambiguous", 0))
    yield ambiguous
    unproven = CounterMetricFamily(
        "reviewmirror_unproven_changes", "Changes that neither a clock nor time vouches for."
    )
    unproven.add_metric((), counts.get("unproven", 0))
    yield unproven
    yield _histogram(counts, "ack_seconds", "acknowledgement_seconds", "From a request's arrival to its 200.")
    yield _histogram(counts, "apply_seconds", "apply_seconds", "From a delivery's acceptance to its commit.")


def _labelled(counts: Mapping[str, int], group: str, label: str, text: str) -> Metric:
    family = CounterMetricFamily(f"reviewmirror_{group}", text, labels=(label,))
    for name, count in sorted(counts.items()):
        if name.startswith(f"{group}:"):
            family.add_metric((name.removeprefix(f"{group}:").replace(":", "_"),), count)
    return family


def _histogram(counts: Mapping[str, int], group: str, name: str, text: str) -> Metric:
    buckets = []
    total = 0
    for label in LABELS:
        total += counts.get(f"{group}:le:{label}", 0)
        buckets.append((label, total))
    family = HistogramMetricFamily(f"reviewmirror_{name}", text)
    family.add_metric((), buckets, sum_value=counts.get(f"{group}:sum_ms", 0) / 1000)
    return family

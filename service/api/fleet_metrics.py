"""The metrics of the fleet, made of what Redis says at one moment. Performs no I/O.

Names follow Prometheus' conventions: base units, `_total` for what only rises, and sums over labels that have a
meaning. A series that is known beforehand begins at 0, so that its first rise shows.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from mirror.domain.changes import Certainty, Kind
from mirror.domain.outgoing import State
from mirror.storage.endpoints import Standing
from mirror.storage.histogram import LABELS
from mirror.storage.sink import SinkLag, SinkState

# Outcomes of deliveries for which there are alerts.
OUTCOMES = (
    *("accepted", "ignored", "tryout", "dead_letter"),
    *("rejected:signature_missing", "rejected:signature_malformed", "rejected:signature_wrong", "rejected:not_found"),
    *("rejected:unavailable", "rejected:busy", "rejected:nearly_full", "rejected:internal_error"),
)
MISTAKES = ("path", "method", "secret")
DECISIONS = (*(kind for kind in Kind if kind is not Kind.TRIMMED), "unchanged", "stale", "forgotten")


class Snapshot(msgspec.Struct, frozen=True):
    """What Redis says at one moment. `now`: when that was, in ms since 1970 UTC."""

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
    memory_ratio: float = 0.0
    takes_deliveries: bool = True
    clock_skew_s: float = 0.0
    endpoints: Sequence[Standing] = ()
    now: int = 0
    silence_s: float = 0.0
    silent: bool = False
    sink: tuple[SinkState, SinkLag] | None = None


def fleet_metrics(snapshot: Snapshot | None) -> Iterator[Metric]:
    """Make the metrics of a snapshot; of None, that Redis does not answer."""
    yield _gauge("redis_up", "Whether Redis answers; without it nothing else is shown.", int(snapshot is not None))
    if snapshot is not None:
        yield from _counters(snapshot.counts)
        yield from _gauges(snapshot)
        yield from _endpoints(snapshot)
        if snapshot.sink is not None:
            yield from _postgres(*snapshot.sink)


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
        "redis_memory_ratio", "Memory of Redis in use, as a part of its limit; 0: no limit.", snapshot.memory_ratio
    )
    yield _gauge("workers", "Workers with a recent heartbeat.", snapshot.workers)
    yield _gauge("open_incidents", "Businesses or partners many reviews of which vanished.", snapshot.open_incidents)
    yield _gauge("held_reviews", "Missing reviews that open incidents keep from becoming gone.", snapshot.held)
    yield _gauge("silence_seconds", "Time since the last delivery.", snapshot.silence_s)
    yield _gauge("silent", "Whether deliveries stay away for longer than is usual.", int(snapshot.silent))
    yield _gauge(
        "clock_skew_seconds", "How far the clock of the answering machine is ahead of Redis's.", snapshot.clock_skew_s
    )


def _postgres(state: SinkState, lag: SinkLag) -> Iterator[Metric]:
    yield _gauge("postgres_up", "Whether a worker can write to Postgres.", int(not state.error))
    yield _gauge("postgres_lag_events", "Events that are not in Postgres yet; at most 1000 are counted.", lag.events)
    yield _gauge("postgres_lag_seconds", "Age of the oldest event that is not in Postgres yet.", lag.age_ms / 1000)


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
    yield _labelled(counts, "deliveries", "outcome", "Deliveries received, by what was answered.", OUTCOMES)
    yield _labelled(
        counts, "refused_requests", "reason", "What may have been a delivery, at a wrong address.", MISTAKES
    )
    yield _labelled(counts, "decisions", "decision", "Deliveries applied, by what they meant.", DECISIONS)
    yield _counter("ambiguous_changes", "Changes whose payload and order alone could not vouch for them.", counts)
    yield _counter("unproven_changes", "Changes that neither a clock nor time vouches for.", counts)
    yield _counter("verification_requests", "Requests sent to Partoo about reviews in doubt.", counts)
    yield _results(
        counts, "verification", ("answered", "omitted", "failed"), "Questions to Partoo, by what came of them."
    )
    yield _results(counts, "reconciliation", ("finished", "given_up"), "Comparisons with Partoo, by how they ended.")
    yield _counter("reconciliation_differences", "Reviews that comparisons with Partoo found to differ.", counts)
    yield _histogram(counts, "ack_seconds", "acknowledgement_seconds", "From a request's arrival to its 200.")
    yield _histogram(counts, "apply_seconds", "apply_seconds", "From a delivery's acceptance to its commit.")


# What a counter is called in Redis, where that is another name.
_STORED_AS = {
    "ambiguous_changes": "ambiguous",
    "unproven_changes": "unproven",
    "verification_requests": "verification:requests",
    "reconciliation_differences": "reconciliation:found",
}


def _counter(name: str, text: str, counts: Mapping[str, int]) -> Metric:
    return CounterMetricFamily(f"reviewmirror_{name}", text, value=counts.get(_STORED_AS[name], 0))


def _results(counts: Mapping[str, int], name: str, results: Sequence[str], text: str) -> Metric:
    family = CounterMetricFamily(f"reviewmirror_{name}_results", text, labels=("result",))
    for result in results:
        family.add_metric((result,), counts.get(f"{name}:{result}", 0))
    return family


def _labelled(counts: Mapping[str, int], group: str, label: str, text: str, known: Sequence[str]) -> Metric:
    family = CounterMetricFamily(f"reviewmirror_{group}", text, labels=(label,))
    found = {name.removeprefix(f"{group}:"): count for name, count in counts.items() if name.startswith(f"{group}:")}
    for name, count in sorted((dict.fromkeys(known, 0) | found).items()):
        family.add_metric((name.replace(":", "_"),), count)
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


def _endpoints(snapshot: Snapshot) -> Iterator[Metric]:
    states = GaugeMetricFamily(
        "reviewmirror_endpoint_state", "1 for the state that an endpoint is in.", labels=("endpoint", "state")
    )
    sent = CounterMetricFamily(
        "reviewmirror_endpoint_deliveries", "Outgoing webhooks, by what came of them.", labels=("endpoint", "result")
    )
    for one in snapshot.endpoints:
        for state in State:
            states.add_metric((one.endpoint.id, state), int(one.endpoint.state is state))
        sent.add_metric((one.endpoint.id, "delivered"), one.delivered)
        sent.add_metric((one.endpoint.id, "failed"), one.failed)
    yield states
    yield sent
    yield _of_endpoints("lag_events", "Events not sent yet, 1,000 at most.", _behind(snapshot))
    yield _of_endpoints("lag_seconds", "Age of the oldest event not sent yet.", _lags(snapshot))
    yield _of_endpoints("failing_seconds", "For how long nothing has succeeded; 0: the last did.", _failing(snapshot))
    yield _of_endpoints("parked_events", "Events that the receiver has refused for good.", _parked(snapshot))


def _of_endpoints(name: str, text: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"reviewmirror_endpoint_{name}", text, labels=("endpoint",))
    for endpoint, value in values.items():
        family.add_metric((endpoint,), value)
    return family


def _behind(snapshot: Snapshot) -> dict[str, float]:
    return {one.endpoint.id: one.lag_events for one in snapshot.endpoints}


def _lags(snapshot: Snapshot) -> dict[str, float]:
    return {one.endpoint.id: one.lag_ms / 1000 for one in snapshot.endpoints}


def _failing(snapshot: Snapshot) -> dict[str, float]:
    return {
        one.endpoint.id: max(0, snapshot.now - one.failing_since) / 1000 if one.failing_since else 0.0
        for one in snapshot.endpoints
    }


def _parked(snapshot: Snapshot) -> dict[str, float]:
    return {one.endpoint.id: one.parked for one in snapshot.endpoints}

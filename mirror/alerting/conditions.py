"""What an operator should know of now, as Redis says it."""

from collections.abc import AsyncIterator, Mapping, Sequence

from mirror.clock import iso
from mirror.domain.notices import DOCS, Condition
from mirror.domain.outgoing import State
from mirror.storage import dead_letters, endpoints, incidents, key_refusal, server, silence, sink, workers
from mirror.storage.probe import WriteProbe
from mirror.storage.server import Finding
from mirror.storage.store import Store

MINUTE_MS = 60_000
# A hiccup, a restart or a release is over before that.
PATIENCE_MS = {"redis": 30_000, "workers": 30_000, "endpoint": 5 * MINUTE_MS, "postgres": 5 * MINUTE_MS}
REDIS = "redis"
NO_WORKER = "no_worker"
LOST_WORKERS = "workers"
_WORKERS_LOOK = f"python -m mirror doctor; {DOCS}, “Notices”"


def redis_condition(found: Finding) -> Condition:
    """Make the condition that Redis refuses, is full, or does not answer."""
    return Condition(
        key=REDIS,
        what=found.problem,
        todo=found.remedy,
        look=f"python -m mirror doctor; {DOCS}, “Redis refuses writes”",
        patience=PATIENCE_MS["redis"],
    )


async def storing(store: Store, probe: WriteProbe, *, was_full: bool) -> tuple[Finding | None, bool]:
    """Say what keeps deliveries from being stored, and whether memory does.

    Where it `was_full`, it counts as that until the service takes deliveries again.
    """
    refused = await probe.look()
    if refused is not None:
        return refused, "OOM" in refused.problem
    facts = await server.inspect(store)
    full = facts.memory.share >= (server.SCARCE_SHARE if was_full else server.HIGH_SHARE)
    return server.nearly_full(facts) if full else None, full


async def conditions(store: Store, now: int) -> list[Condition]:
    """Gather all conditions but Redis's own."""
    return [condition async for condition in _all(store, now)]


async def _all(store: Store, now: int) -> AsyncIterator[Condition]:
    if (missing := _workers(await workers.fleet(store), now)) is not None:
        yield missing
    for incident in await incidents.open_incidents(store):
        of = " ".join(str(part) for part in next(iter(incident.of.items())))
        yield Condition(
            key=f"incident:{incident.scope}",
            what=f"{incident.absences} reviews of {of.replace('_id', '')} vanished together",
            todo="nothing: none of them becomes gone while it lasts, and most will be back",
            look=f"GET /incidents; {DOCS}, “An incident opens”",
            since=incident.opened_at,
        )
    if count := await dead_letters.count(store):
        yield Condition(
            key="dead_letters",
            what=f"{count} {'delivery' if count == 1 else 'deliveries'} could not be read and became dead letters",
            todo="look why, and retry them once the code can read them",
            look=f"python -m mirror dead-letters list; {DOCS}, “There are dead letters”",
            size=count,
        )
    for endpoint in await endpoints.all_endpoints(store):
        for one in _endpoint(await endpoints.standing(store, endpoint, now)):
            yield one
    quiet = await silence.standing(store)
    if (stays_away := silence.finding(quiet, now)) is not None:
        yield Condition(
            key="silence",
            what=stays_away.problem,
            todo=stays_away.remedy,
            look=f"python -m mirror status; {DOCS}, “Silence”",
            since=quiet.since or 0,
        )
    if refused_since := await key_refusal.since(store):
        yield Condition(
            key="partoo_key",
            what="Partoo's API refuses the key: what a delivery leaves in doubt stays so, and nothing is reconciled",
            todo="set PARTOO_API_KEY and PARTOO_API_URL (or PARTOO_ENV) to a pair that fits",
            look=f"python -m mirror doctor; {DOCS}, “Log lines”, verification.failed",
            since=refused_since,
        )
    state = await sink.read_state(store)
    if state is not None and state.error:
        yield Condition(
            key="postgres",
            what=f"the tables in Postgres cannot be written: {state.error}",
            todo="mend it at Postgres; nothing is lost, and all goes on by itself",
            look="python -m mirror status",
            since=state.since,
            patience=PATIENCE_MS["postgres"],
        )


def _workers(fleet: Mapping[str, workers.Life], now: int) -> Condition | None:
    alive = sum(life.is_alive(now) for life in fleet.values())
    lost = workers.lost(fleet, now)
    if not alive:
        return Condition(
            key=NO_WORKER,
            what="no worker is alive: deliveries are stored, but not applied",
            todo="start a worker: python -m worker",
            look=_WORKERS_LOOK,
            patience=PATIENCE_MS[LOST_WORKERS],
        )
    if not lost:
        return None
    return Condition(
        key=LOST_WORKERS,
        what=f"{len(lost)} of {len(lost) + alive} workers died and no other took its place: {', '.join(sorted(lost))}",
        todo="look into its log for why, and start another; if that is meant to be so, this ends after a day",
        look=_WORKERS_LOOK,
        patience=PATIENCE_MS[LOST_WORKERS],
    )


def _endpoint(standing: endpoints.Standing) -> Sequence[Condition]:
    endpoint = standing.endpoint
    look = f"python -m mirror endpoints show {endpoint.id}"
    found = []
    if standing.failing_since and endpoint.state is not State.PAUSED:
        last = standing.answers[0] if standing.answers else None
        answer = "" if last is None else f", last with {last.status or last.error}"
        found.append(
            Condition(
                key=f"endpoint:{endpoint.id}",
                what=f"the endpoint {endpoint.id} has taken nothing since {iso(standing.failing_since)}{answer}",
                todo="mend the receiver; events wait for it, in order",
                look=look,
                since=standing.failing_since,
                patience=PATIENCE_MS["endpoint"],
            )
        )
    if endpoint.state in (State.DISABLED, State.CURSOR_EXPIRED):
        what = f"nothing is sent to the endpoint {endpoint.id} any more: {endpoint.reason or endpoint.state}"
        todo = f"mend the receiver, then: python -m mirror endpoints resume {endpoint.id}"
        found.append(Condition(key=f"endpoint_disabled:{endpoint.id}", what=what, todo=todo, look=look))
    if standing.parked:
        what = f"the endpoint {endpoint.id} has refused {standing.parked} events for a day, and they are parked"
        todo = f"mend the receiver, then: python -m mirror endpoints replay {endpoint.id} --event EVENT"
        found.append(
            Condition(key=f"endpoint_parked:{endpoint.id}", what=what, todo=todo, look=look, size=standing.parked)
        )
    return found

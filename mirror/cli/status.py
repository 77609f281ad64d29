"""`status`: the mirror at a glance."""

import argparse
from collections.abc import Iterator
from typing import Any

from mirror.absence_views import incident_view
from mirror.cli.output import write, write_json
from mirror.clock import iso, span
from mirror.domain.changes import Certainty
from mirror.domain.lifecycle import Status
from mirror.domain.outgoing import Endpoint
from mirror.domain.silence import Reason
from mirror.endpoint_views import standing_view
from mirror.settings import Settings
from mirror.storage import (
    corrupt,
    counters,
    dead_letters,
    endpoints,
    inbox,
    incidents,
    reads,
    silence,
    sink,
    verification,
    workers,
)
from mirror.storage.store import Store
from mirror.views import silence_view

NAME = "status"
HELP = "show counts by status and certainty, what waits and for how long, workers, incidents, dead letters, endpoints"

# As many as a screen bears.
SHOWN_INCIDENTS = 10
_REASONS = {
    Reason.DEAF: "although reviews have changed at Partoo",
    Reason.QUIET: "and Partoo has nothing new",
    Reason.UNKNOWN: "and Partoo could not be asked",
}


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """`status` needs none."""


async def run(store: Store, _settings: Settings, options: argparse.Namespace) -> int:
    facts = await _facts(store)
    if options.json:
        write_json(facts)
    else:
        for line in _lines(facts):
            write(line)
    return 0


async def _facts(store: Store) -> dict[str, Any]:
    counts = await reads.counts_by_status_and_partner(store)
    uncertain = await reads.counts_of_uncertain(store)
    backlog = await inbox.backlog(store)
    heartbeats = await workers.heartbeats(store)
    now = await store.now()
    return {
        "reviews": {
            str(status): sum(count for (found, _), count in counts.items() if found == status) for status in Status
        },
        "by_partner": {
            partner: {str(status): counts[status, partner] for status in Status}
            for partner in sorted({partner for _, partner in counts})
        },
        "by_certainty": {str(Certainty.PROVEN): max(0, sum(counts.values()) - sum(uncertain.values())), **uncertain},
        "waiting_reviews": backlog.reviews,
        "oldest_waiting_s": backlog.age_ms / 1000,
        "workers": heartbeats.alive,
        "last_heartbeat_at": None if heartbeats.last_at is None else iso(heartbeats.last_at),
        "open_incidents": [incident_view(one) for one in await incidents.open_incidents(store)],
        "open_questions": await verification.count(store),
        "second_looks": await verification.count_second_looks(store),
        "dead_letters": await dead_letters.count(store),
        "corrupt_records": await corrupt.reviews(store),
        "postgres": await _postgres(store),
        "endpoints": [await _endpoint(store, one, now) for one in await endpoints.all_endpoints(store)],
        "silence": silence_view(await silence.standing(store), now),
        "counters": dict(sorted((await counters.read(store)).items())),
    }


async def _postgres(store: Store) -> dict[str, Any] | None:
    state = await sink.read_state(store)
    if state is None:
        return None
    lag = await sink.lag(store, state)
    return {
        "state": state.state,
        "failing_since": iso(state.since) if state.since else None,
        "error": state.error or None,
        "lag_events": lag.events,
        "lag_s": lag.age_ms / 1000,
    }


async def _endpoint(store: Store, endpoint: Endpoint, now: int) -> dict[str, Any]:
    view = standing_view(await endpoints.standing(store, endpoint, now))
    return {name: value for name, value in view.items() if name != "answers"}


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    total = sum(facts["reviews"].values())
    yield f"reviews       {total} ({_listed(facts['reviews'])})" if total else "reviews       none yet"
    for partner, found in facts["by_partner"].items():
        yield f"              {partner or 'no partner'}: {_listed(found)}"
    if total:
        yield f"certainty     {_listed(facts['by_certainty'])}"
    waiting = facts["waiting_reviews"]
    age = span(round(facts["oldest_waiting_s"] * 1000))
    yield (
        f"waiting       {waiting} {'review' if waiting == 1 else 'reviews'}, the oldest delivery for {age}"
        if waiting
        else "waiting       nothing"
    )
    names = ", ".join(facts["workers"])
    last = facts["last_heartbeat_at"]
    yield f"workers       {len(facts['workers'])} ({names})" if names else f"workers       none ({_last_seen(last)})"
    yield f"deliveries    {_deliveries(facts['silence'])}"
    yield from _incident_lines(facts["open_incidents"])
    yield f"questions     {facts['open_questions']} open, {facts['second_looks']} answered and to be asked once more"
    yield f"dead letters  {facts['dead_letters']}"
    if facts["corrupt_records"]:
        yield f"corrupt       records of reviews {', '.join(str(one) for one in facts['corrupt_records'])}"
    if facts["postgres"] is not None:
        yield _postgres_line(facts["postgres"])
    for endpoint in facts["endpoints"]:
        yield f"endpoint      {_endpoint_line(endpoint)}"
    decisions = {
        name.removeprefix("decisions:"): count
        for name, count in facts["counters"].items()
        if name.startswith("decisions:")
    }
    shown = ", ".join(f"{name} {count}" for name, count in decisions.items())
    yield f"applied       {sum(decisions.values())} deliveries" + (f" ({shown})" if shown else "")


def _postgres_line(found: dict[str, Any]) -> str:
    behind = f"{found['lag_events']} events behind" if found["lag_events"] else "up to date"
    if found["lag_events"]:
        behind += f", the oldest for {span(round(found['lag_s'] * 1000))}"
    return f"postgres      {found['state']}, {behind}" + (f": {found['error']}" if found["error"] else "")


def _deliveries(silence: dict[str, Any]) -> str:
    if silence["last_delivery_at"] is None:
        return "not watched yet"
    usual = silence["usual_longest_gap_s"]
    learned = "what is usual is not known yet" if usual is None else f"usually {span(round(usual * 1000))} at most"
    ago = f"the last {span(round(silence['without_delivery_s'] * 1000))} ago ({learned})"
    return f"stay away: {ago}, {_REASONS[silence['reason']]}" if silence["silent_since"] else ago


def _incident_lines(found: list[dict[str, Any]]) -> Iterator[str]:
    held = sum(incident["missing"] for incident in found)
    yield f"incidents     {len(found)} open, they hold {held} missing reviews" if found else "incidents     none open"
    for incident in found[:SHOWN_INCIDENTS]:
        of = f"business {incident['business_id']}" if "business_id" in incident else incident["partner"]
        counts = f"{incident['absences']} vanished, {incident['returned']} returned"
        yield f"              {of}: {counts}, since {incident['opened_at']}"
    if len(found) > SHOWN_INCIDENTS:
        yield f"              and {len(found) - SHOWN_INCIDENTS} more: --json shows all"


def _endpoint_line(endpoint: dict[str, Any]) -> str:
    behind = f"{endpoint['lag_events']} behind, {span(round(endpoint['lag_s'] * 1000))}"
    parts = [endpoint["state"], behind if endpoint["lag_events"] else "up to date"]
    if endpoint["failing_since"]:
        parts.append(f"failing since {endpoint['failing_since']}")
    if endpoint["parked"]:
        parts.append(f"{endpoint['parked']} parked")
    return f"{endpoint['id']}: {', '.join(parts)}"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def _last_seen(at: str | None) -> str:
    return f"the last heartbeat was at {at}" if at else "no heartbeat in the last day"

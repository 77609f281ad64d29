"""The first page: what needs somebody, then what there is, then what happened last."""

from collections import Counter

import msgspec

from mirror.clock import span
from mirror.domain.changes import Certainty
from mirror.domain.incidents import Incident
from mirror.domain.lifecycle import Status
from mirror.domain.outgoing import State
from mirror.storage import dead_letters, endpoints, feed, incidents, reads
from mirror.storage.endpoints import Standing
from service.console.visit import Page, Visit
from service.console.words import counted, quoted, scope_words

LATEST = 20


class Problem(msgspec.Struct, frozen=True):
    """One line of what needs somebody: `level` is bad, warn or good."""

    level: str
    words: str
    path: str = ""
    link: str = ""


async def show_overview(visit: Visit) -> Page:
    store = visit.store
    readiness = await visit.console.ready()
    opened = await incidents.open_incidents(store)
    letters = await dead_letters.count(store)
    uncertain = await reads.counts_of_uncertain(store)
    known = await endpoints.all_endpoints(store)
    latest = await feed.latest(store, LATEST)
    counts = await reads.counts_by_status_and_partner(store)
    standings = [await endpoints.standing(store, one, visit.now) for one in known]
    found = [Problem("bad", words, "/console/doctor?run=1", "Run the doctor") for words in readiness.problems]
    found += [_incident(one) for one in opened]
    found += [problem for one in standings if (problem := _endpoint(one)) is not None]
    if letters:
        words = f"{counted(letters, 'dead letter')}: deliveries that could not be read."
        found.append(Problem("warn", words, "/console/dead-letters", "Dead letters"))
    found += [Problem("warn", words, "/console/doctor?run=1", "Run the doctor") for words in readiness.warnings]
    if uncertain[Certainty.AMBIGUOUS]:
        words = f"{counted(uncertain[Certainty.AMBIGUOUS], 'review')} may be wrong: what came last may be a late copy."
        found.append(Problem("warn", words, "/console/reviews?certainty=ambiguous", "Ambiguous reviews"))
    totals = Counter[str]()
    for (status, _), count in counts.items():
        totals[status] += count
    values = {
        "problems": found,
        "totals": {str(status): totals[status] for status in Status},
        "partners": _by_partner(counts),
        "uncertain": uncertain,
        "facts": readiness.facts,
        "latest": latest,
    }
    return Page("overview.html", "Overview", values)


def _incident(one: Incident) -> Problem:
    share = round(100 * one.returned / one.absences) if one.absences else 0
    words = (
        f"Incident: {counted(one.absences, 'review')} of {scope_words(one)} vanished together; "
        f"{one.returned:,} are back ({share} %), {one.missing:,} still missing."
    )
    business_id = one.of.get("business_id")
    if business_id is None:
        return Problem("bad", words, "/console/incidents", "Incidents")
    return Problem("bad", words, f"/console/business?business_id={quoted(business_id)}", "Its rating")


def _endpoint(one: Standing) -> Problem | None:
    endpoint = one.endpoint
    path = f"/console/endpoints/{endpoint.id}"
    if endpoint.state in (State.DISABLED, State.CURSOR_EXPIRED):
        words = f"Endpoint {endpoint.id} is told nothing any more ({endpoint.state}): {endpoint.reason or endpoint.url}"
        return Problem("bad", words, path, "Endpoint")
    if one.failing_since and endpoint.state is State.ACTIVE:
        behind = f", {counted(one.lag_events, 'event')} behind for {span(one.lag_ms)}" if one.lag_events else ""
        return Problem("warn", f"Endpoint {endpoint.id} has been failing{behind}.", path, "Endpoint")
    return None


def _by_partner(counts: dict[tuple[str, str], int]) -> list[tuple[str, dict[str, int]]]:
    partners = sorted({partner for (_, partner), count in counts.items() if count})
    return [(partner, {str(status): counts[str(status), partner] for status in Status}) for partner in partners]

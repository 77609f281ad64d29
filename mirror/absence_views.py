"""The mirror's JSON about absences: what the read API answers and the command line prints with `--json`. No I/O."""

from collections.abc import Mapping
from typing import Any

from mirror.clock import iso
from mirror.domain.absences import Counts, Overview
from mirror.domain.durations import quantiles
from mirror.domain.incidents import Incident


def incident_view(incident: Incident) -> dict[str, Any]:
    return incident.of | {
        "status": "open" if incident.closed_at is None else "closed",
        "opened_at": iso(incident.opened_at),
        "closed_at": None if incident.closed_at is None else iso(incident.closed_at),
        "closed_by": incident.closed_by,
        "first_vanished_at": iso(incident.first_vanished_at),
        "last_vanished_at": iso(incident.last_vanished_at),
        "absences": incident.absences,
        "returned": incident.returned,
        "missing": incident.missing,
        "returned_after_s": incident.returned_after_s,
    }


def counts_view(counts: Counts) -> dict[str, Any]:
    """Show how absences ended: `absences` is the sum of `returned`, `gone` and `going_on`."""
    return {
        "absences": counts.absences,
        "returned": counts.returned,
        "gone": counts.ended_gone,
        "going_on": counts.going_on,
        "returned_from_gone": counts.returned_from_gone,
        "returned_after_s": quantiles(counts.back),
    }


def overview_view(overview: Overview) -> dict[str, Any]:
    return {
        "overall": counts_view(overview.overall),
        "by_partner": _named("partner", overview.by_partner),
        "by_business": _named("business_id", overview.by_business),
    }


def _named(name: str, found: Mapping[str, Counts]) -> list[dict[str, Any]]:
    return [{name: each} | counts_view(counts) for each, counts in found.items()]

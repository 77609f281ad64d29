"""Incidents: many reviews that vanished together, the open ones first."""

from mirror.storage import incidents
from service.console.visit import Page, Visit
from service.console.words import whole_number

PAGE_SIZE = 50


async def list_incidents(visit: Visit) -> Page:
    first = whole_number(visit.parameter("after"), "after", 0)
    found = await incidents.page(visit.store, first, PAGE_SIZE + 1)
    following = f"/console/incidents?after={first + PAGE_SIZE}" if len(found) > PAGE_SIZE else None
    values = {
        "incidents": found[:PAGE_SIZE],
        "following": following,
        "is_first": first == 0,
        "thresholds": visit.settings.thresholds,
    }
    return Page("incidents.html", "Incidents", values)

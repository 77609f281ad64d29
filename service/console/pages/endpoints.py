"""Endpoints of outgoing webhooks: how each stands, and the last answers."""

from mirror.domain.outgoing import Item
from mirror.storage import endpoints
from mirror.storage.endpoints import UnknownEndpointError
from service.console.visit import Page, PageError, Visit

MOST_ITEMS = 20


async def list_endpoints(visit: Visit) -> Page:
    known = await endpoints.all_endpoints(visit.store)
    standings = [await endpoints.standing(visit.store, one, visit.now) for one in known]
    return Page("endpoints.html", "Endpoints", {"standings": standings, "most": endpoints.MOST_COUNTED})


async def show_endpoint(visit: Visit) -> Page:
    endpoint_id = visit.request.match_info["id"]
    try:
        endpoint = await endpoints.get(visit.store, endpoint_id)
    except UnknownEndpointError:
        raise unknown_endpoint() from None
    lists: list[tuple[str, list[Item]]] = [
        ("pending", await endpoints.pending(visit.store, endpoint.id)),
        ("parked", await endpoints.parked(visit.store, endpoint.id)),
    ]
    values = {
        "one": await endpoints.standing(visit.store, endpoint, visit.now),
        "most": endpoints.MOST_COUNTED,
        "lists": [(name, items[:MOST_ITEMS], len(items)) for name, items in lists],
    }
    return Page("endpoint.html", "Endpoints", values)


def unknown_endpoint() -> PageError:
    return PageError(
        404, "There is no such endpoint", "It may have been removed. The page Endpoints lists those that are there."
    )

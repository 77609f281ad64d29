"""What a deletion means: how absences ended, and the incidents. Closed unless API_TOKEN is set."""

from aiohttp import web

from mirror.absence_views import counts_view, incident_view, overview_view
from mirror.domain.incidents import business_scope
from mirror.storage import absences, incidents
from service.api import parameters
from service.app_keys import READ_STORE
from service.auth import authorize
from service.errors import json_response


async def get_stats(request: web.Request) -> web.Response:
    authorize(request)
    parameters.check_parameters(request, "business_id", "limit")
    store = request.app[READ_STORE]
    limit = parameters.limit(request)
    business_id = request.query.get("business_id")
    if business_id is None:
        return json_response(overview_view(await absences.overview(store, limit)))
    (counts,) = await absences.counts(store, [business_scope(business_id)])
    return json_response({"business_id": business_id} | counts_view(counts))


async def list_incidents(request: web.Request) -> web.Response:
    """List the incidents that are open and those closed of late, page by page: the cursor counts what was listed."""
    authorize(request)
    parameters.check_parameters(request, "limit", "cursor")
    first, limit = parameters.cursor(request) or 0, parameters.limit(request)
    # One more than asked for tells whether more follow.
    found = await incidents.page(request.app[READ_STORE], first, limit + 1)
    following = str(first + limit) if len(found) > limit else None
    return json_response({"incidents": [incident_view(one) for one in found[:limit]], "next": following})

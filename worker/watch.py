"""The watch over absences: closes incidents that are over, and has absences checked whose grace is.

It holds nothing itself: which absences go on, and which of them an incident holds, stands in Redis, written with the
commits that tell of it. Several workers may watch at once, and one that stood still for days takes up what is overdue.
"""

import time

import structlog

from mirror.domain.incidents import Incident, reason_to_close
from mirror.storage import absences, incidents
from mirror.storage.store import Store
from worker.drain import Drainer

# The last drain takes up to `drain.MAX_RUN_S` more, and all must end before arq's timeout.
MAX_RUN_S = 8.0

log = structlog.get_logger()


async def watch(store: Store, drainer: Drainer, grace: int) -> None:
    """Close incidents and check absences once; `grace` is in milliseconds."""
    deadline = time.monotonic() + MAX_RUN_S
    # What waits comes first: it may tell of returns, or of an incident that holds absences which are due.
    if not (await drainer.wait_until_idle(MAX_RUN_S) and await drainer.run()):
        return
    await _watch_incidents(store, grace)
    while time.monotonic() < deadline and await absences.put_checks(store, await store.now(), grace):
        if not await drainer.run():
            return


async def _watch_incidents(store: Store, grace: int) -> None:
    for incident in await incidents.open_incidents(store):
        if await incidents.tell_once(store, incident):
            log.warning("incident.opened", **_facts(incident))
        now = await store.now()
        # One whose closing was interrupted has its reason.
        reason = incident.closed_by or reason_to_close(incident, now, grace)
        if reason is not None and (closed := await incidents.close(store, incident, now, reason)) is not None:
            lasted_s = (now - closed.opened_at) / 1000
            log.info(
                "incident.closed",
                reason=closed.closed_by,
                lasted_s=lasted_s,
                returned_after_s=closed.returned_after_s,
                **_facts(closed),
            )


def _facts(incident: Incident) -> dict[str, int | str]:
    return incident.of | {
        "absences": incident.absences,
        "returned": incident.returned,
        "missing": incident.missing,
    }

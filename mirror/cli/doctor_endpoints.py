"""What the doctor says of endpoints of outgoing webhooks: those that are sent nothing, fail, or have parked events."""

from collections.abc import Iterator

from mirror.cli.check import OK, WARN, Check
from mirror.cli.output import counted
from mirror.clock import iso
from mirror.domain.outgoing import State
from mirror.storage import endpoints
from mirror.storage.endpoints import Standing
from mirror.storage.store import Store

# One failure now and then is no finding.
FAILING_FOR_MS = 60_000
_COMMAND = "python -m mirror endpoints"


async def check_endpoints(store: Store) -> list[Check]:
    """Look at all endpoints; nothing is said where there are none."""
    now = await store.now()
    found = [await endpoints.standing(store, one, now) for one in await endpoints.all_endpoints(store)]
    findings = [check for one in found for check in _findings(one, now)]
    if found and not findings:
        return [Check("endpoints", OK, f"{counted(len(found), 'endpoint')}, none fails")]
    return findings


def _findings(one: Standing, now: int) -> Iterator[Check]:
    name, shown = f"endpoint {one.endpoint.id}", f"{_COMMAND} show {one.endpoint.id}"
    if one.endpoint.state is State.DISABLED:
        remedy = f"mend the receiver, then: {_COMMAND} resume {one.endpoint.id}. What the feed still keeps is sent"
        yield Check(name, WARN, f"disabled: {one.endpoint.reason}", remedy)
    if one.endpoint.state is State.CURSOR_EXPIRED:
        remedy = f"{_COMMAND} resume {one.endpoint.id} goes on with the oldest event kept; have the receiver read "
        yield Check(name, WARN, f"stopped: {one.endpoint.reason}", remedy + "GET /reviews for what lies between")
    if one.endpoint.state is State.ACTIVE and one.failing_since and now - one.failing_since >= FAILING_FOR_MS:
        last = f", last: {one.answers[0].status or one.answers[0].error}" if one.answers else ""
        yield Check(name, WARN, f"nothing has succeeded since {iso(one.failing_since)}{last}", f"see {shown}")
    if one.parked:
        remedy = f"{shown} lists them; replay ID --event EVENT sends one again, skip ID EVENT gives it up"
        yield Check(name, WARN, f"{counted(one.parked, 'event')} parked: the receiver refuses them", remedy)

"""What the worker's log lines tell of a delivery that changed nothing."""

from structlog.testing import capture_logs

from mirror.storage.store import Store
from tests.mirror.mirrored import mirror
from tests.support import make_review

NEWER = make_review(update_date="2025-09-05T00:00:00Z")
OLDER = make_review(update_date="2025-09-04T00:00:00Z", rating=1)


async def test_of_what_is_stale_both_clocks_are_told(store: Store) -> None:
    with capture_logs() as logs:
        await mirror(store, NEWER, OLDER)
    [line] = [line for line in logs if line["event"] == "review.stale"]
    assert (line["update_date"], line["mirrored_update_date"]) == (OLDER["update_date"], NEWER["update_date"])
    assert "older" in line["reason"]


async def test_of_what_is_unchanged_no_clock_is_told(store: Store) -> None:
    with capture_logs() as logs:
        await mirror(store, NEWER, NEWER)
    [line] = [line for line in logs if line["event"] == "review.unchanged"]
    assert "update_date" not in line

"""The account of outgoing webhooks while processes die, on a small run."""

from pathlib import Path

import pytest

from tools.chaos.outgoing import DOWN, FLAKY, WELL, run

pytestmark = pytest.mark.process


async def test_each_endpoint_has_every_event_in_order_whatever_dies(tmp_path: Path) -> None:
    result = await run(tmp_path, 600, 60, lambda *_: None)
    assert result.problems == []
    assert sum(result.faults.values()) == 8
    assert {found["events"] for found in result.endpoints.values()} == {result.changes}
    assert result.endpoints[WELL]["refused"] == 0
    assert result.endpoints[FLAKY]["refused"] > 50
    assert result.endpoints[DOWN]["refused"] > 5

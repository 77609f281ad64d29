"""Partoo's API, as the simulator plays it, on a free loopback port."""

from typing import Any

import pytest
from pytest_aiohttp import AiohttpServer

from tests.mirror.reconciliation.support import Clock, Partoo, StartPartoo
from tools.simulator.api import ApiOptions, FixedReviews


@pytest.fixture
def start_partoo(aiohttp_server: AiohttpServer) -> StartPartoo:
    async def start(*reviews: dict[str, Any], **options: Any) -> Partoo:
        given: dict[str, Any] = {"key": "k", "per_minute": 0, **options}
        partoo = Partoo(FixedReviews(reviews), ApiOptions(**given))
        server = await aiohttp_server(partoo.app)
        partoo.url = str(server.make_url("/v2"))
        return partoo

    return start


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)

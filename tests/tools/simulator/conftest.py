"""The REST API of the simulator on a free loopback port."""

from typing import Any

import pytest
from pytest_aiohttp import AiohttpClient

from tests.tools.simulator.api import Client, StartApi
from tools.simulator.api import ApiOptions, FixedReviews, TruthSource, make_api

UNLIMITED: dict[str, Any] = {"key": "k", "per_minute": 0}


@pytest.fixture
def start_api(aiohttp_client: AiohttpClient) -> StartApi:
    async def start(source: TruthSource | list[dict[str, Any]], **options: Any) -> Client:
        given = FixedReviews(source) if isinstance(source, list) else source
        return await aiohttp_client(make_api(given, ApiOptions(**(UNLIMITED | options))))

    return start

"""Asking the simulator's REST API."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient

Client = TestClient[web.Request, web.Application]
StartApi = Callable[..., Awaitable[Client]]
KEY = {"x-APIKey": "k"}


async def search(client: Client, **query: str) -> tuple[int, Any]:
    async with client.get("/v2/reviews", params=query, headers=KEY) as answer:
        return answer.status, await answer.json()


async def ids(client: Client, **query: str) -> list[int]:
    status, page = await search(client, **query)
    assert status == 200, page
    assert page["count"] == len(page["reviews"])
    return sorted(found["id"] for found in page["reviews"])


async def error(answer: ClientResponse) -> tuple[int, str]:
    return answer.status, (await answer.json())["error"]["code"]


async def put(client: Client, review_id: int, body: Any) -> ClientResponse:
    return await client.put(f"/v2/reviews/{review_id}", json=body, headers=KEY)

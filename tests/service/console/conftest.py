"""A visitor of the console: a client that holds a session, and posts as a browser does."""

import re
from dataclasses import dataclass
from html import unescape

import pytest
from aiohttp import ClientResponse

from mirror.storage.store import Store
from tests.service.console.mirrored import Mirrored, fill
from tests.support import API_TOKEN, Client


@dataclass
class Visitor:
    """Somebody who is logged in. Redirects are not followed."""

    client: Client
    cookie: str = ""

    async def get(self, path: str, **headers: str) -> ClientResponse:
        return await self.client.get(path, headers={"Cookie": self.cookie} | headers, allow_redirects=False)

    async def page(self, path: str, status: int = 200) -> str:
        """Get a page as text, checked for its status and its headers."""
        answer = await self.get(path)
        text = await answer.text()
        assert answer.status == status, text
        assert answer.content_type == "text/html"
        return text

    async def post(self, path: str, data: dict[str, str] | None = None, **headers: str) -> ClientResponse:
        """Send a form from the console's own pages."""
        sent = {"Cookie": self.cookie, "Origin": self.origin, "Sec-Fetch-Site": "same-origin"}
        return await self.client.post(path, data=data or {}, headers=sent | headers, allow_redirects=False)

    @property
    def origin(self) -> str:
        return str(self.client.make_url("/")).rstrip("/")

    async def log_in(self, token: str = API_TOKEN) -> ClientResponse:
        answer = await self.post("/console/login", {"token": token})
        if (morsel := answer.cookies.get("rm_session")) is not None:
            self.cookie = f"rm_session={morsel.value}"
        self.client.session.cookie_jar.clear()
        return answer


@pytest.fixture
async def visitor(service: Client) -> Visitor:
    visitor = Visitor(service)
    assert (await visitor.log_in()).status == 303
    return visitor


def words(page: str) -> str:
    """Give what a page says, without its markup, in one line."""
    body = page.partition("<body>")[2]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())


@pytest.fixture
async def mirrored(store: Store) -> Mirrored:
    return await fill(store)

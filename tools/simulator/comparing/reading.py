"""Reading both sides: the mirror page by page through its read API, the truth from a simulator or from a file."""

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout
from yarl import URL

from tools.simulator.errors import UsageError

# Deliveries that wait, questions for Partoo, and second looks where its search may lag: more than none of them.
_OPEN_WORK = re.compile(r"reviewmirror_(waiting_reviews|open_questions|second_looks)(\{.*\})? (?!0(\.0+)?$)")
_PAGE = 200
_AT_ONCE = 8
_TIMEOUT = ClientTimeout(total=30)

Truth = Mapping[str, Any]
ById = dict[int, dict[str, Any]]


async def read_truth(session: ClientSession, where: str, *, history: bool) -> Truth:
    """Read the truth from `http://…` (what `serve` listens on) or from the file that it wrote. Raises UsageError."""
    if where.startswith(("http://", "https://")):
        truth = await _get(session, URL(where) / "truth", {"history": "1"} if history else {}, {})
    else:
        truth = _read_file(Path(where))
    if not isinstance(truth, dict) or not isinstance(truth.get("reviews"), list):
        raise UsageError(f"--truth {where}: this is not a truth that serve tells; give its URL, or a file it wrote")
    if history and "events" not in truth:
        raise UsageError(f"--truth {where}: it holds no events, which --history needs; write it with serve")
    return truth


def reviews_by_id(truth: Truth) -> ById:
    return {review["id"]: review for review in truth["reviews"]}


def events_by_id(truth: Truth) -> Mapping[int, list[dict[str, Any]]]:
    events: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for event in truth["events"]:
        events[event["review"]["id"]].append(event)
    return events


class Mirror:
    """A mirror's read API. Every method raises UsageError where it cannot be read."""

    def __init__(self, session: ClientSession, url: URL, token: str) -> None:
        self._session = session
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}

    async def reviews(self) -> ById:
        """Give every entry that the mirror has, by id."""
        entries = await self._pages(self._url / "reviews", "reviews")
        return {entry["id"]: entry for entry in entries}

    async def histories(self, ids: list[int]) -> dict[int, list[dict[str, Any]]]:
        """Give the histories of these reviews, oldest entry first."""
        free = asyncio.Semaphore(_AT_ONCE)

        async def read(review_id: int) -> list[dict[str, Any]]:
            async with free:
                return (await self._pages(self._url / "reviews" / str(review_id) / "changes", "changes"))[::-1]

        return dict(zip(ids, await asyncio.gather(*map(read, ids)), strict=True))

    async def is_settled(self) -> bool:
        """Tell whether the mirror is at rest, as far as its metrics say: nothing waits and nobody is to be asked.

        A mirror without such metrics counts as settled.
        """
        try:
            async with self._session.get(self._url / "metrics", headers=self._headers, timeout=_TIMEOUT) as response:
                text = await response.text(errors="replace") if response.status == HTTPStatus.OK else ""
        except (ClientError, OSError):
            return True
        return not any(_OPEN_WORK.match(line) for line in text.splitlines())

    async def _pages(self, url: URL, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        query = {"limit": str(_PAGE)}
        while True:
            page = await _get(self._session, url, query, self._headers)
            if not isinstance(page, dict) or not isinstance(page.get(name), list):
                raise UsageError(f'{url}: the answer has no list "{name}"; is this the URL of a mirror?')
            found += page[name]
            if page.get("next") is None:
                return found
            query["cursor"] = str(page["next"])


def _read_file(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"--truth {path}: cannot be read ({error.strerror}); check the path") from None
    except (ValueError, RecursionError):
        raise UsageError(f"--truth {path}: this is not JSON; give a file that serve --truth-file wrote") from None


async def _get(session: ClientSession, url: URL, query: Mapping[str, str], headers: Mapping[str, str]) -> Any:
    try:
        async with session.get(url, params=query, headers=headers, timeout=_TIMEOUT) as response:
            body = await response.read()
    except (ClientError, OSError) as error:
        raise UsageError(f"{url}: no answer ({str(error) or type(error).__name__}); is it running there?") from None
    if response.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise UsageError(f"{url}: answered {response.status}; give the mirror's API_TOKEN with --token")
    if response.status != HTTPStatus.OK:
        raise UsageError(f"{url}: answered {response.status}, {body[:200].decode(errors='replace')}; is the URL right?")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise UsageError(f"{url}: the answer is not JSON; is the URL right?") from None

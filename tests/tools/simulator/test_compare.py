"""`compare` against a small fake of the mirror's read API: pages, a token, histories."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port
from pytest_aiohttp import AiohttpServer

from tools.simulator.api import ApiOptions, SimulatedReviews, make_api
from tools.simulator.api.truth_view import truth_view
from tools.simulator.cli import main
from tools.simulator.clock import SimulatedClock
from tools.simulator.comparing.values import differing_fields
from tools.simulator.population import Population, Truth, TruthEvent, life
from tools.simulator.population.events import DAY

TOKEN = "t0k3n"
POPULATION = Population(reviews=250, businesses=2, days=10, absences_per_day=0.05)
EVENTS = list(life(1, POPULATION))
KINDS = {"created": "first_seen", "vanished": "vanished", "deleted": "vanished", "returned": "reappeared"}


def simulated(until: float = 10.0) -> SimulatedReviews:
    clock = SimulatedClock(0.0, 10 * DAY)
    clock.reach(until * DAY)
    return SimulatedReviews(Truth(EVENTS), clock, POPULATION, lambda _event: None)


def history_of(events: list[TruthEvent]) -> list[dict[str, Any]]:
    """Write the history of a review as a faithful mirror does, oldest first."""
    entries = []
    before: Any = {}
    for event in events:
        base = event.payload if event.kind == "returned" else before
        fields = {name: [base.get(name), event.payload.get(name)] for name in differing_fields(base, event.payload)}
        entries.append({"kind": KINDS.get(event.kind, "updated"), "fields": fields})
        before = event.payload
    return entries


@dataclass
class FakeMirror:
    """Shows the truth as a mirror does; tests put their errors into it."""

    entries: dict[int, dict[str, Any]] = field(default_factory=dict)
    histories: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    answered: int = 0
    recovers_after: int | None = None
    url: str = ""
    metrics: str = ""
    asked_for_metrics: int = 0

    def __post_init__(self) -> None:
        truth = Truth(EVENTS)
        for one, review in truth.reviews():
            status = "missing" if review["state"] == "deleted" else "live"
            self.entries[one] = {"id": one, "status": status, "review": review}
            self.histories[one] = history_of(truth.events(one))

    async def start(self, aiohttp_server: AiohttpServer) -> "FakeMirror":
        app = web.Application()
        app.router.add_get("/reviews", self._reviews)
        app.router.add_get("/reviews/{id}/changes", self._changes)
        app.router.add_get("/metrics", self._metrics)
        self.url = str((await aiohttp_server(app)).make_url("/")).rstrip("/")
        return self

    async def _reviews(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"error": {"code": "unauthorized"}}, status=401)
        assert request.query["limit"] == "200"
        self.answered += 1
        after = int(request.query.get("cursor", -1))
        shown = sorted(one for one in self.entries if one > after)[:200]
        following = str(shown[-1]) if shown and shown[-1] < max(self.entries) else None
        return web.json_response({"reviews": [self.entries[one] for one in shown], "next": following})

    async def _metrics(self, _request: web.Request) -> web.Response:
        self.asked_for_metrics += 1
        return web.Response(text=self.metrics, status=200 if self.metrics else 404)

    async def _changes(self, request: web.Request) -> web.Response:
        # Pages of three, so that there are several.
        entries = self.histories[int(request.match_info["id"])]
        before = int(request.query.get("cursor", len(entries)))
        shown = entries[max(0, before - 3) : before]
        following = str(before - 3) if before > 3 else None
        return web.json_response({"changes": shown[::-1], "next": following})


Compare = Callable[..., Awaitable[int]]


@pytest.fixture
async def mirror(aiohttp_server: AiohttpServer) -> FakeMirror:
    return await FakeMirror().start(aiohttp_server)


@pytest.fixture
def truth_file(tmp_path: Path) -> str:
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(truth_view(simulated(), history=True)))
    return str(path)


async def compare(mirror: FakeMirror, truth: str, *args: str) -> int:
    # In a thread: the command runs an event loop of its own, and the fake needs this one.
    return await asyncio.to_thread(main, ["compare", "--mirror", mirror.url, "--token", TOKEN, "--truth", truth, *args])


async def test_a_faithful_mirror_is_equal_over_all_pages(
    mirror: FakeMirror, truth_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await compare(mirror, truth_file, "--history") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0].strip() for line in lines[:2]] == ["reviews", "equal"]
    assert [line.split()[1] for line in lines[:2]] == ["250", "250"]
    assert mirror.answered == 2


async def test_the_truth_may_come_from_a_running_simulator(
    mirror: FakeMirror, aiohttp_server: AiohttpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    api = await aiohttp_server(make_api(simulated(), ApiOptions()))
    assert await compare(mirror, str(api.make_url("/")), "--json", "--history") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["equal"], told["reviews"], told["history"]["events"]) == (True, 250, len(EVENTS))


async def test_a_simulation_that_has_not_ended_is_told_of(
    mirror: FakeMirror, aiohttp_server: AiohttpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    api = await aiohttp_server(make_api(simulated(until=5.0), ApiOptions()))
    assert await compare(mirror, str(api.make_url("/"))) == 1
    assert capsys.readouterr().err == "note: the simulation has not ended; what differs may be on its way\n"


async def test_each_way_to_be_wrong_is_counted_and_makes_the_status_1(
    mirror: FakeMirror, truth_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two, three, *_ = (one for one, entry in mirror.entries.items() if entry["status"] == "live")
    mirror.entries[one] = mirror.entries[one] | {"status": "gone"}
    mirror.entries[two] = mirror.entries[two] | {"review": {**mirror.entries[two]["review"], "rating": 99}}
    del mirror.entries[three]
    mirror.entries[9999] = {"id": 9999, "status": "live", "review": {}}
    assert await compare(mirror, truth_file, "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["verdicts"] == {
        "equal": 247,
        "wrong_status": 1,
        "wrong_payload": 1,
        "not_mirrored": 1,
        "unknown": 1,
    }
    assert [found["id"] for found in told["differing"]] == sorted([one, two, three, 9999])


async def test_a_history_that_differs_makes_the_status_1_where_it_is_asked_for(
    mirror: FakeMirror, truth_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    one = next(one for one, entries in mirror.histories.items() if len(entries) > 4)
    del mirror.histories[one][2]
    assert await compare(mirror, truth_file) == 0
    assert await compare(mirror, truth_file, "--history") == 1
    assert f"review {one}: history lacks " in capsys.readouterr().out


async def test_it_waits_until_the_mirror_has_caught_up_and_not_for_ever(mirror: FakeMirror, truth_file: str) -> None:
    one, entry = mirror.entries.popitem()
    assert await compare(mirror, truth_file, "--wait", "0.1") == 1
    waiting = asyncio.create_task(compare(mirror, truth_file, "--wait", "10"))
    before = mirror.answered
    while mirror.answered < before + 2:  # noqa: ASYNC110 - the fake counts, it has nothing to announce
        await asyncio.sleep(0.01)
    mirror.entries[one] = entry
    assert await waiting == 0


@pytest.mark.parametrize("gauge", ["waiting_reviews", "open_questions", 'second_looks{business="b1"}'])
async def test_it_waits_until_the_mirror_is_at_rest_though_all_is_equal(
    mirror: FakeMirror, truth_file: str, gauge: str
) -> None:
    quiet = "# TYPE reviewmirror_open_questions gauge\nreviewmirror_open_questions 0.0\nreviewmirror_second_looks 0\n"
    mirror.metrics = f"{quiet}reviewmirror_{gauge} 2.0\n"
    waiting = asyncio.create_task(compare(mirror, truth_file, "--wait", "10"))
    while mirror.asked_for_metrics < 2:  # noqa: ASYNC110 - the fake counts, it has nothing to announce
        await asyncio.sleep(0.01)
    assert not waiting.done()
    mirror.metrics = quiet
    assert await waiting == 0


async def test_what_cannot_be_done_is_one_clear_line(
    mirror: FakeMirror, truth_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fails(truth: str, *args: str) -> str:
        assert await compare(mirror, truth, *args) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        return err

    no_json, other, short = (tmp_path / name for name in ("no.json", "other.json", "short.json"))
    no_json.write_text("{")
    other.write_text("{}")
    short.write_text('{"reviews": []}')
    assert "cannot be read (No such file or directory)" in await fails(str(tmp_path / "none"))
    assert "this is not JSON" in await fails(str(no_json))
    assert "this is not a truth that serve tells" in await fails(str(other))
    assert "it holds no events, which --history needs" in await fails(str(short), "--history")
    assert "give the mirror's API_TOKEN with --token" in await fails(truth_file, "--token", "wrong")
    assert "answered 404" in await fails(truth_file, "--mirror", f"{mirror.url}/elsewhere")
    closed = f"http://127.0.0.1:{unused_port()}"
    assert "is it running there?" in await fails(closed)
    assert "is it running there?" in await fails(truth_file, "--mirror", closed)
    assert '--mirror "here": this is not a URL that can be asked' in await fails(truth_file, "--mirror", "here")
    assert "this is not a URL that can be asked" in await fails("http://")


async def test_an_answer_of_something_else_is_one_clear_line(
    aiohttp_server: AiohttpServer, truth_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<html>" if "html" in request.path else "[]")

    app = web.Application()
    app.router.add_get("/{where}/reviews", page)
    url = str((await aiohttp_server(app)).make_url("/"))
    for where, complaint in (("html", "the answer is not JSON"), ("list", 'the answer has no list "reviews"')):
        assert await compare(FakeMirror(url=f"{url}{where}"), truth_file) == 2
        assert complaint in capsys.readouterr().err

"""A population at its present moment behind the API, and the truth that it tells on this machine."""

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from tests.tools.simulator.api import StartApi, ids, put, search
from tools.simulator.api import ApiOptions, FixedReviews, SimulatedReviews, make_api
from tools.simulator.clock import SimulatedClock
from tools.simulator.population import Kind, Moving, Population, Truth, TruthEvent, life
from tools.simulator.population.events import DAY


def simulated(
    speed: float = 0.0, population: Population | None = None, announced: list[TruthEvent] | None = None
) -> tuple[SimulatedReviews, SimulatedClock, Truth]:
    population = population or Population(reviews=20, businesses=2, days=10)
    truth = Truth(life(1, population))
    clock = SimulatedClock(speed, population.days * DAY)
    heard = [] if announced is None else announced
    return SimulatedReviews(truth, clock, population, heard.append), clock, truth


async def test_the_api_shows_the_truth_of_the_present_moment(start_api: StartApi) -> None:
    source, clock, truth = simulated()
    client = await start_api(source, deleted_in_search=True)
    assert await ids(client) == []
    for day in (1, 4, 10):
        clock.reach(day * DAY)
        status, page = await search(client)
        assert status == 200
        assert {one["id"]: one for one in page["reviews"]} == dict(truth.reviews(day * DAY))


async def test_the_truth_tells_every_payload_and_with_history_all_that_happened(start_api: StartApi) -> None:
    source, clock, truth = simulated()
    client = await start_api(source)
    clock.reach(5 * DAY)
    told = await (await client.get("/truth", params={"history": "1"})).json()
    assert told["now"] == "2025-09-06T00:00:00+00:00"
    assert told["finished"] is False
    assert told["reviews"] == [one for _, one in truth.reviews(5 * DAY)]
    assert [event["review"] for event in told["events"]] == [event.payload for event in source.events()]
    clock.finish()
    told = await (await client.get("/truth")).json()
    assert (told["finished"], "events" in told) == (True, False)


async def test_the_truth_is_told_on_this_machine_alone() -> None:
    app = make_api(FixedReviews(), ApiOptions())
    request = make_mocked_request("GET", "/truth", app=app)
    for remote, status in (("127.0.0.1", 200), ("::1", 200), ("192.0.2.1", 403)):
        route = await app.router.resolve(request)
        answer = await route.handler(request.clone(remote=remote))
        assert isinstance(answer, web.Response)
        assert answer.status == status


async def test_a_state_set_through_the_api_is_true_and_announced_and_the_next_event_overrides_it(
    start_api: StartApi,
) -> None:
    announced: list[TruthEvent] = []
    moving = Population(reviews=20, businesses=2, days=10, moves_update_date=frozenset({Moving.STATE}))
    for population, moved in ((moving, True), (None, False)):
        source, clock, truth = simulated(population=population, announced=announced)
        client = await start_api(source)
        clock.reach(5 * DAY)
        before = next(one for _, one in truth.reviews(5 * DAY) if one["state"] == "not_treated")
        after = await (await put(client, before["id"], {"state": "treated"})).json()
        assert after["state"] == "treated"
        assert (after["update_date"] != before["update_date"]) is moved
        assert truth.review(before["id"], 5 * DAY) == after
        (event,) = announced
        assert (event.kind, event.payload) == (Kind.MARKED, after)
        await put(client, before["id"], {"state": "treated"})
        assert announced == [event]
        announced.clear()
        gone = next(one for _, one in truth.reviews(5 * DAY) if one["state"] == "deleted")
        assert (await put(client, gone["id"], {"state": "treated"})).status == 404


def test_a_clock_with_a_speed_runs_and_ends() -> None:
    clock = SimulatedClock(1e9, 10.0)
    assert (clock.now(), clock.finished) == (0.0, False)
    clock.start()
    while not clock.finished:
        pass
    assert clock.now() == 10.0


def test_a_clock_with_a_speed_says_how_long_to_wait_and_one_without_never_waits() -> None:
    clock = SimulatedClock(100.0, 1000.0)
    assert clock.real_seconds_until(500.0) == 5.0
    standing = SimulatedClock(0.0, 1000.0)
    assert standing.real_seconds_until(500.0) == 0.0
    standing.reach(700.0)
    standing.reach(400.0)
    assert standing.now() == 700.0

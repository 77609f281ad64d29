import asyncio
import contextlib
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import unused_port
from pytest_aiohttp import AiohttpServer

from tests.support import SIGNER, wait_until
from tests.tools.simulator.receiver import HANG, Receiver
from tools.simulator.cli import main
from tools.simulator.key_file import save_signer
from tools.simulator.population import Population, Truth, life

pytestmark = pytest.mark.process

SMALL = ("--reviews", "12", "--businesses", "2", "--days", "20", "--changes-per-day", "0.3")
POPULATION = Population(reviews=12, businesses=2, days=20, changes_per_day=0.3)
ROOT = Path(__file__).parents[3]


@pytest.fixture
def key(tmp_path: Path) -> str:
    path = tmp_path / "test.key"
    save_signer(SIGNER, path)
    return str(path)


async def serve(receiver: Receiver, key: str, *args: str) -> int:
    argv = ["serve", "--url", str(receiver.url), "--key", key, "--retry-base", "0.001", *SMALL, *args]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tools.simulator", *argv, cwd=ROOT)
    return await process.wait()


@contextlib.asynccontextmanager
async def serving(*args: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, Any]]]:
    """Start `serve --json` with an API, and give it with the line that tells where it is."""
    argv = ("-m", "tools.simulator", "serve", "--json", "--api-port", "0", *SMALL, *args)
    process = await asyncio.create_subprocess_exec(
        sys.executable, *argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    try:
        yield process, json.loads(await asyncio.wait_for(process.stdout.readline(), 10))
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def has_received(receiver: Receiver, count: int) -> None:
    async def enough() -> bool:
        return len(receiver.received) >= count

    await wait_until(enough)


def reviews(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(received.body)["payload"]["review"] for received in receiver.received]


async def test_the_clean_wire_sends_every_event_once_signed_and_in_order(
    aiohttp_server: AiohttpServer, key: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    receiver = await Receiver().start(aiohttp_server)
    truth_file = tmp_path / "truth.json"
    assert await serve(receiver, key, "--secret", "s", "--truth-file", str(truth_file), "--api-port", "0") == 0
    events = list(life(1, POPULATION))
    assert reviews(receiver) == [event.payload for event in events]
    for received in receiver.received:
        assert received.query == {"key": "s"}
        assert received.headers["X-Partoo-Signature-v1"] == SIGNER.sign(received.body)
    told = json.loads(truth_file.read_text())
    assert told["reviews"] == [one for _, one in Truth(events).reviews()]
    assert len(told["events"]) == len(events)
    out, err = capfd.readouterr()
    assert re.match(r"REST API: http://127\.0\.0\.1:\d+/v2 with the header x-APIKey: \S+\nthe truth: http", out)
    assert f"acknowledged {len(events)}  of {len(events)} requests" in out
    assert "\r" not in err
    assert re.search(rf"^ 50 %  \d+ of {len(events)} deliveries", err, re.MULTILINE)
    assert err.splitlines()[-1].startswith("100 %  ")


async def test_5xx_is_sent_again_and_anything_else_loses_the_event_and_a_bar_is_drawn_where_it_is_asked_for(
    aiohttp_server: AiohttpServer, key: str, capfd: pytest.CaptureFixture[str]
) -> None:
    receiver = await Receiver((503, 401, 500, 502, 503, 504, 500, 599, HANG, 200)).start(aiohttp_server)
    assert await serve(receiver, key, "--json", "--timeout", "0.1", "--progress", "--lost", "0.2") == 1
    out, err = capfd.readouterr()
    told = json.loads(out)
    assert (told["lost"], told["redelivered"]) == (2, 1 + 5 + 1)
    assert told["last_loss"].endswith("lost after 6 attempts, the last: 599 code_599: The receiver says why.")
    assert told["attempts"] == len(receiver.received)
    assert told["lost_by_plan"] > 0
    assert told["lost_by_plan"] + told["deliveries"] == sum(told["events"].values())
    assert err.startswith("\r[")
    assert f"\r[{'#' * 30}] 100 %  " in err
    assert err.endswith("\x1b[K\n")


async def test_while_it_sends_the_api_shows_the_truth_and_a_state_set_there_is_sent_too(
    aiohttp_server: AiohttpServer, key: str
) -> None:
    receiver = await Receiver().start(aiohttp_server)
    args = ("--url", str(receiver.url), "--key", key, "--stay", "--api-key", "k")
    async with serving(*args) as (process, where), ClientSession(headers={"x-APIKey": "k"}) as session:
        assert where["api_key"] == "k"
        assert process.stdout is not None
        told = json.loads(await asyncio.wait_for(process.stdout.readline(), 10))
        assert told["acknowledged"] == len(receiver.received)
        async with session.get(f"{where['truth']}/truth") as answer:
            truth = await answer.json()
        assert truth["finished"]
        assert truth["reviews"] == [one for _, one in Truth(life(1, POPULATION)).reviews()]
        async with session.get(f"{where['api']}/reviews", params={"state": "not_treated"}) as answer:
            review = (await answer.json())["reviews"][0]
        async with session.put(f"{where['api']}/reviews/{review['id']}", json={"state": "treated"}) as answer:
            assert answer.status == 200
        await has_received(receiver, told["acknowledged"] + 1)
        assert reviews(receiver)[-1] == review | {"state": "treated"}
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_the_api_alone_shows_the_end_or_with_a_speed_runs_from_the_beginning() -> None:
    async with ClientSession() as session:
        for args, finished in (((), True), (("--speed", "1"), False)):
            async with serving("--api-only", *args) as (process, where):
                async with session.get(f"{where['truth']}/truth") as answer:
                    assert (await answer.json())["finished"] is finished
                process.send_signal(signal.SIGTERM)
                assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_it_ends_cleanly_when_it_is_stopped_before_the_end(
    aiohttp_server: AiohttpServer, key: str, tmp_path: Path
) -> None:
    receiver = await Receiver().start(aiohttp_server)
    truth_file = tmp_path / "truth.json"
    args = ("--url", str(receiver.url), "--key", key, "--speed", "200000", "--truth-file", str(truth_file))
    async with serving(*args) as (process, _):
        await has_received(receiver, 3)
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), 10)
        assert process.returncode == 130
    told = json.loads(out)
    assert 3 <= told["acknowledged"] <= len(receiver.received) < len(list(life(1, POPULATION)))
    assert not json.loads(truth_file.read_text())["finished"]
    assert err.decode().endswith("stopped: what has not been sent yet stays unsent\n")
    assert b"Traceback" not in err


def fails(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(["serve", *argv]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


def test_what_cannot_be_done_is_one_clear_line(capsys: pytest.CaptureFixture[str], key: str, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{unused_port()}/w"
    assert "--url URL" in fails(capsys, "--key", key)
    assert "there is no key here" in fails(capsys, "--url", url, "--key", str(tmp_path / "no.key"))
    assert "this is not a URL" in fails(capsys, "--url", "here", "--key", key)
    assert "--api-only needs a port" in fails(capsys, "--api-only")
    assert "--stay keeps the REST API up" in fails(capsys, "--url", url, "--key", key, "--stay")


def test_a_truth_file_that_cannot_be_written_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], key: str, tmp_path: Path
) -> None:
    url, path = f"http://127.0.0.1:{unused_port()}/w", tmp_path / "nowhere" / "t"
    argv = ("--url", url, "--key", key, "--retry-base", "0", "--reviews", "1", "--days", "1", "--truth-file", str(path))
    assert main(["serve", *argv]) == 2
    assert f"error: --truth-file {path}: cannot be written (No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--late", "1.5", "is not a share, from 0 to 1"),
        ("--late", "often", "is not a share, from 0 to 1"),
        ("--reviews", "0", "is not a whole number, 1 or more"),
        ("--days", "-1", "is not a number, 0 or more"),
        ("--api-port", "65536", "is not a port, from 0 to 65535"),
        ("--api-per-minute", "-1", "is not a whole number, 0 or more"),
        ("--moves-update-date", "tags,mood", "does not list some of tags,state,reply,deletion"),
        ("--wire", "bent", "invalid choice"),
    ],
)
def test_a_bad_option_says_what_it_takes(
    capsys: pytest.CaptureFixture[str], option: str, value: str, complaint: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["serve", f"{option}={value}"])
    assert stopped.value.code == 2
    assert complaint in capsys.readouterr().err

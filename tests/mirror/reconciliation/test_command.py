"""`python -m mirror reconcile`: what an engineer sees of it."""

import argparse
import asyncio
import json
import os
import pty
import re
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest

from mirror.cli import main, reconcile
from mirror.partoo.api import PATIENCE, Patience
from mirror.settings import SettingsError
from mirror.storage import inbox, keys
from mirror.storage.store import Store
from tests.conftest import running_worker
from tests.mirror.reconciliation.support import (
    RATE,
    Partoo,
    StartPartoo,
    copy,
    drain,
    everything,
    mirrored,
    record,
    reviews,
)
from tests.process.processes import environment
from tests.support import make_deletion, make_settings, wait_until


class Shown(msgspec.Struct):
    status: int
    out: str
    err: str


Run = Callable[..., Coroutine[None, None, Shown]]


@pytest.fixture
def run(store: Store, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process, which is much quicker than in one of its own."""

    async def run(partoo: Partoo, *arguments: str, patience: Patience = PATIENCE, key: str = "k") -> Shown:
        parser = argparse.ArgumentParser()
        reconcile.add_arguments(parser)
        parser.add_argument("--json", action="store_true")
        settings = make_settings(PARTOO_API_URL=partoo.url, PARTOO_API_KEY=key, PARTOO_API_RATE=str(RATE))
        capsys.readouterr()
        status = await reconcile.run(store, settings, parser.parse_args(arguments), patience)
        return Shown(status, *capsys.readouterr())

    return run


async def start(redis_url: str, partoo: Partoo) -> asyncio.subprocess.Process:
    """Run the command in a process of its own."""
    variables = {"PARTOO_API_URL": partoo.url, "PARTOO_API_KEY": "k", "PARTOO_API_RATE": str(RATE)}
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mirror", "reconcile", env=environment(redis_url, **variables), stdout=pipe, stderr=pipe
    )


async def hangs(partoo: Partoo, after: int) -> None:
    """Wait until more than so many pages are asked for."""

    async def asked() -> bool:
        return len(partoo.queries) > after

    await wait_until(asked)


def lines(text: str, *starts: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(starts)]


async def test_it_tells_how_long_it_takes_what_differs_and_how_many(
    store: Store, run: Run, start_partoo: StartPartoo
) -> None:
    same, edited, deleted = reviews(3)
    await mirrored(store, same, edited, deleted)
    partoo = await start_partoo(same, copy(edited, rating=1, content="Oh"), make_deletion(deleted))
    shown = await run(partoo)
    assert (shown.status, lines(shown.err, "reviewmirror")) == (0, [])
    assert shown.out.splitlines() == [
        "review 2  updated  content, rating",
        "review 3  vanished  delete_date, state",
        "3 reviews checked: 1 same, 1 updated, 1 vanished",
        "2 reviews still to be settled by a worker.",
    ]
    assert lines(shown.err, "Search") == [
        "Search plain: 2 reviews on 1 page; at 1,000,000 requests a minute at least 0.0 s",
        "Search state=deleted: 1 review on 1 page; at 1,000,000 requests a minute at least 0.0 s",
    ]
    await drain(store)
    assert (await record(store, 2)).review["rating"] == 1


async def test_with_a_worker_everything_is_applied_when_it_ends(
    store: Store, redis_url: str, run: Run, start_partoo: StartPartoo
) -> None:
    partoo = await start_partoo(*reviews(100))
    async with running_worker(make_settings(), redis_url):

        async def alive() -> bool:
            return bool(await store.redis.zcard(keys.WORKERS))

        await wait_until(alive)
        shown = await run(partoo)
    assert shown.out.splitlines()[-1] == "100 reviews checked: 100 first_seen"
    assert (await inbox.backlog(store)).reviews == 0
    assert (await record(store, 100)).version == 1


async def test_as_json_it_is_one_document(store: Store, run: Run, start_partoo: StartPartoo) -> None:
    there = reviews(2)
    await mirrored(store, *there)
    partoo = await start_partoo(copy(there[0], rating=1), there[1], *reviews(1, 9))
    shown = await run(partoo, "--json", "--dry-run")
    found: dict[str, Any] = json.loads(shown.out)
    assert (found["checked"], found["same"], found["updated"], found["first_seen"]) == (3, 1, 1, 1)
    assert (found["dry_run"], found["resumed"], found["passed_over"], found["waiting"]) == (True, False, 0, 0)
    assert sorted((one["id"], one["outcome"], one["fields"]) for one in found["reviews"]) == [
        (1, "updated", ["rating"]),
        (9, "first_seen", []),
    ]


async def test_a_dry_run_says_so_and_changes_nothing(store: Store, run: Run, start_partoo: StartPartoo) -> None:
    await mirrored(store, *reviews(2))
    before = await everything(store)
    shown = await run(await start_partoo(*reviews(1)), "--dry-run")
    assert shown.out.splitlines() == [
        "review 2  vanished  state  (in doubt: Partoo shows it nowhere)",
        "2 reviews checked: 1 same, 1 vanished",
        "This was a dry run: nothing was changed.",
    ]
    assert await everything(store) == before


async def test_what_is_left_as_it_is_is_named_with_its_reason(
    store: Store, run: Run, start_partoo: StartPartoo
) -> None:
    await mirrored(store, *reviews(1))
    shown = await run(await start_partoo(*reviews(1, 5, "b5")))
    assert lines(shown.out, "review 1 ") == [
        "review 1  absent  (left as it is: Partoo shows nothing at all of its business)"
    ]
    assert "Not shown: 1 mirrored review; asking again, business by business (1)" in shown.err


async def test_it_compares_only_what_it_is_told_to(run: Run, start_partoo: StartPartoo) -> None:
    partoo = await start_partoo(*reviews(1, 1, "b1"), *reviews(1, 2, "b2"), *reviews(1, 3, "b3"))
    shown = await run(partoo, "--business-id", "b1", "--business-id", "b3", "--since", "2025-09-01T08:00:00+02:00")
    assert [line.split()[1] for line in lines(shown.out, "review ")] == ["3", "1"]
    assert {query["update_date__gte"] for query in partoo.queries} == {"2025-09-01T06:00:00"}
    shown = await run(partoo, "--since", "2025-09-05")
    assert shown.out.splitlines()[0] == "0 reviews checked"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_keeps_the_place_and_the_next_run_goes_on(
    store: Store, run: Run, start_partoo: StartPartoo, number: signal.Signals
) -> None:
    partoo = await start_partoo(*reviews(95))
    partoo.hangs_after = 2
    running = asyncio.create_task(run(partoo))
    await hangs(partoo, 2)
    os.kill(os.getpid(), number)
    shown = await running
    assert shown.status == 128 + number
    assert lines(shown.err, "reviewmirror") == ["reviewmirror: it was interrupted; run it again to go on from there"]
    partoo.hangs_after = None
    shown = await run(partoo)
    assert "Going on with the run that was interrupted: search plain, page 2" in shown.err
    assert "95 reviews checked: 95 first_seen" in shown.out
    await drain(store)
    assert (await record(store, 95)).version == 1


@pytest.mark.process
async def test_a_killed_run_is_gone_on_with_once_its_hold_has_ended(
    store: Store, redis_url: str, run: Run, start_partoo: StartPartoo
) -> None:
    partoo = await start_partoo(*reviews(95))
    partoo.hangs_after = 2
    process = await start(redis_url, partoo)
    await hangs(partoo, 2)
    process.kill()
    await process.communicate()
    partoo.hangs_after = None
    shown = await run(partoo)
    assert (shown.status, shown.err) == (
        1,
        "reviewmirror: another reconciliation is under way, or ended without a word seconds ago; try again later\n",
    )
    await store.redis.delete(keys.RECONCILIATION_HOLD)
    shown = await run(partoo)
    assert (shown.status, lines(shown.out, "95 reviews checked")) == (0, ["95 reviews checked: 95 first_seen"])
    assert "Going on" in shown.err


async def test_restart_begins_anew(run: Run, start_partoo: StartPartoo) -> None:
    partoo = await start_partoo(*reviews(65))
    partoo.hangs_after = 1
    quick = Patience(timeout_s=0.05, attempts=1)
    assert (await run(partoo, patience=quick)).status == 1
    partoo.hangs_after = None
    shown = await run(partoo, "--restart")
    assert (shown.status, "Going on" in shown.err) == (0, False)


async def test_a_refused_key_is_one_line_that_says_what_to_do(run: Run, start_partoo: StartPartoo) -> None:
    shown = await run(await start_partoo(*reviews(1)), key="another")
    assert (shown.status, shown.out) == (1, "")
    assert shown.err == "reviewmirror: Partoo's API answered 403: check PARTOO_API_KEY and PARTOO_API_URL\n"


async def test_a_partoo_that_fails_is_given_up_with_what_to_do(run: Run, start_partoo: StartPartoo) -> None:
    partoo = await start_partoo(*reviews(2), failing=1.0)
    shown = await run(partoo, patience=Patience(attempts=2, first_wait_s=0.001))
    again, given_up = shown.err.splitlines()
    assert shown.status == 1
    assert re.fullmatch(r"Partoo's API answered 50\d; asking again", again)
    assert re.fullmatch(r"reviewmirror: Partoo's API answered 50\d; run it again to go on from there", given_up)


async def test_on_a_terminal_a_bar_shows_how_far_it_is(
    run: Run, start_partoo: StartPartoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal, os.fdopen(theirs, "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        shown = await run(await start_partoo(*reviews(65)))
        monkeypatch.undo()
        text = terminal.read(65536).decode()
    assert shown.status == 0
    assert "page 3 of 3" in text
    assert text.endswith("\r\x1b[K")


@pytest.mark.process
async def test_as_a_process_it_does_the_same(store: Store, redis_url: str, start_partoo: StartPartoo) -> None:
    process = await start(redis_url, await start_partoo(*reviews(95)))
    out, err = await process.communicate()
    assert (process.returncode, out.splitlines()[-2]) == (0, b"95 reviews checked: 95 first_seen")
    assert b"page 3 of 4" in err
    await drain(store)
    assert (await record(store, 95)).version == 1


async def test_without_a_key_it_names_the_variable(store: Store) -> None:
    with pytest.raises(SettingsError, match="PARTOO_API_KEY is not set: Partoo's API cannot be asked without it"):
        await reconcile.run(store, make_settings(), argparse.Namespace())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--since", "yesterday"], "yesterday is not a time such as 2025-09-01"),
        (["--since", "1900-01-01"], "1900-01-01 is not a time such as"),
        (["--business-id", "a,b"], "holds neither commas nor spaces"),
    ],
)
def test_an_argument_that_cannot_be_used_is_explained(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["reconcile", *arguments])
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err

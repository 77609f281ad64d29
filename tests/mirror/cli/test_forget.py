"""`python -m mirror forget`: what it finds, what it says, and its exit status."""

import argparse
import json
import sys
from typing import Any

import pytest

from mirror.cli import forget, forget_files
from mirror.domain.dead_letters import DeadLetter
from mirror.domain.inbox import make_delivery_id
from mirror.settings import Settings
from mirror.storage import dead_letters, forgetting, inbox, reads
from mirror.storage.errors import CommandRefusedError
from mirror.storage.store import Store
from tests.commands import mirror as run
from tests.conftest import running_worker
from tests.mirror.cli.test_asking import Terminal
from tests.mirror.mirrored import drain, mirror
from tests.support import READ, Client, make_review

ONE, OTHER = make_review(34), make_review(35, author_name="Somebody else")


async def keep_letter(store: Store, body: bytes) -> str:
    delivery_id = make_delivery_id(1_757_000_000_000, len(body))
    await dead_letters.keep(store, DeadLetter(delivery_id, 1_757_000_000_000, "not_json", "no", body))
    return delivery_id


def options(*ids: int, **given: Any) -> argparse.Namespace:
    return argparse.Namespace(**{"ids": ids, "author": None, "yes": True, "no_rewrite": True, "json": True, **given})


async def test_reviews_are_forgotten_by_the_worker_and_their_dead_letters_erased(
    store: Store, settings: Settings, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await mirror(store, ONE, OTHER)
    about, of_another = await keep_letter(store, b'{"id": 34'), await keep_letter(store, b'{"number": 344')
    async with running_worker(settings, redis_url):
        capsys.readouterr()
        assert await forget.run(store, settings, options(34, json=False, no_rewrite=False)) == 0
    shown = [line for line in capsys.readouterr().out.splitlines() if "[info" not in line]
    assert shown == [
        "Review 34 is forgotten.",
        f"Dead letter {about} is erased: it was about this, or could not be decoded and mentioned it.",
        "The append-only file was rewritten without what was erased.",
        "Redis keeps no snapshot that would have to be written anew.",
    ]
    assert await dead_letters.ids(store) == [of_another]
    assert await reads.record(store, 35) is not None


async def test_without_a_worker_the_demand_waits_and_is_said_to(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await mirror(store, ONE)
    monkeypatch.setattr(forget, "PATIENCE_S", 0.1)
    capsys.readouterr()
    assert await forget.run(store, settings, options(34)) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["forgotten"], found["waiting"]) == ([], [34])
    assert await inbox.waiting_for(store, 34) == 1

    await drain(store)
    capsys.readouterr()
    assert await forget.run(store, settings, options(34, json=False)) == 0
    assert capsys.readouterr().out.splitlines()[0] == "Review 34 is forgotten."


@pytest.mark.parametrize(
    "refusal",
    [
        ("unknown command", "could not be rewritten (unknown command): have the server run BGREWRITEAOF."),
        (
            "Background append only file rewriting already in progress",
            "still holds what was erased: the server is busy.",
        ),
    ],
)
async def test_a_server_that_will_not_rewrite_its_append_only_file_is_named(
    refusal: tuple[str, str],
    store: Store,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    problem, told = refusal
    await forgetting.demand(store, [34])
    await drain(store)
    execute = store.redis.execute_command

    async def refuse(*arguments: Any, **options: Any) -> Any:
        if arguments[0] == "BGREWRITEAOF":
            raise CommandRefusedError(problem)
        return await execute(*arguments, **options)

    monkeypatch.setattr(store.redis, "execute_command", refuse)
    monkeypatch.setattr(forget_files, "PATIENCE_S", 0.1)
    capsys.readouterr()
    assert await forget.run(store, settings, options(34, no_rewrite=False)) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["forgotten"], found["rewritten"]) == ([34], False)
    assert f"The append-only file {told}" in found["rewrite"]


async def test_an_authors_reviews_are_listed_and_need_a_yes(
    store: Store, settings: Settings, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await mirror(store, ONE, OTHER)
    refused = run(redis_url, "forget", "--author", "Castorche")
    assert refused.returncode == 2
    assert refused.stdout == "Reviews of this author: 34.\n"
    assert "--yes" in refused.stderr
    assert await inbox.waiting_for(store, 34) == 0

    async with running_worker(settings, redis_url):
        capsys.readouterr()
        assert await forget.run(store, settings, options(author="Castorche", yes=True, json=False)) == 0
    assert "Review 34 is forgotten." in capsys.readouterr().out
    again = run(redis_url, "forget", "--author", "Castorche")
    assert (again.returncode, again.stdout, again.stderr) == (1, "Nothing was found.\n", "")


async def test_an_operator_is_told_of_near_names_and_of_nobody_found(store: Store, redis_url: str) -> None:
    await mirror(store, ONE, make_review(36, author_name="Castorché\u00a0"), make_review(37, author_name="CASTORCHE"))
    near = 'A name that is near, and was not meant perhaps: "Castorché\u00a0" (review 36).'
    asked = run(redis_url, "forget", "--author", " castorche")
    assert (asked.returncode, asked.stdout) == (2, f"Reviews of this author: 34, 37.\n{near}\n")

    nobody = run(redis_url, "forget", "--author", "Castorchy", "--yes")
    assert nobody.returncode == 1
    assert nobody.stdout.splitlines()[0] == "Nothing was found."
    assert near in nobody.stdout
    found = json.loads(run(redis_url, "forget", "--author", "Castorchy", "--yes", "--json").stdout)
    assert found["near"][0] == {"name": "CASTORCHE", "reviews": [37]}


async def test_ids_need_a_yes_where_there_is_no_terminal(store: Store, redis_url: str) -> None:
    await mirror(store, ONE)
    refused = run(redis_url, "forget", "34")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "say --yes to do it" in refused.stderr
    assert await inbox.waiting_for(store, 34) == 0


@pytest.mark.parametrize("arguments", [(), ("34", "--author", "Castorche"), ("the first",)])
def test_misuse_is_status_2(arguments: tuple[str, ...], redis_url: str) -> None:
    shown = run(redis_url, "forget", *arguments)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert shown.stderr


async def test_trace_and_the_read_api_say_that_it_was_forgotten_and_when(
    store: Store, settings: Settings, redis_url: str, service: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await mirror(store, ONE)
    monkeypatch.setattr(forget, "PATIENCE_S", 0)
    await forget.run(store, settings, options(34))
    await drain(store)
    for path in ("/reviews/34", "/reviews/34/changes", "/reviews/34?at=2100-01-01", "/reviews/34?at=2001-01-01"):
        answer = await service.get(path, headers=READ)
        assert answer.status == 410
        error = (await answer.json())["error"]
        assert error["code"] == "review_forgotten"
        assert "erased on demand at 2" in error["message"]
    listed = await (await service.get("/reviews", headers=READ)).json()
    assert listed["reviews"] == []

    shown = run(redis_url, "trace", "34")
    assert shown.returncode == 1
    assert shown.stdout.startswith("Review 34 was forgotten on demand 2")
    found = json.loads(run(redis_url, "trace", "34", "--json").stdout)
    assert found.keys() >= {"forgotten_at", "review"}


async def test_json_says_whether_the_append_only_file_is_rewritten(
    store: Store, settings: Settings, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await mirror(store, ONE, OTHER)
    async with running_worker(settings, redis_url):
        for no_rewrite, review_id in ((True, 34), (False, 35)):
            capsys.readouterr()
            assert await forget.run(store, settings, options(review_id, no_rewrite=no_rewrite)) == 0
            shown = capsys.readouterr().out
            assert json.loads(shown[shown.index("{\n") :])["rewritten"] is not no_rewrite


async def test_at_a_terminal_ids_are_asked_about_and_those_that_are_unknown_named(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await mirror(store, ONE)
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    capsys.readouterr()
    assert await forget.run(store, settings, options(34, 77, yes=False)) == 2
    asked = capsys.readouterr().err
    assert "Reviews 34, 77 would be erased for good, and kept out from then on. Not mirrored: review 77." in asked
    assert await inbox.waiting_for(store, 34) == 0


@pytest.mark.usefixtures("worker")
async def test_a_review_that_was_not_mirrored_is_named_and_kept_out(
    store: Store, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await forget.run(store, settings, options(999, json=False)) == 0
    told = "Review 999 is forgotten. It was not mirrored: what comes about it is kept out from now on."
    assert told in capsys.readouterr().out.splitlines()

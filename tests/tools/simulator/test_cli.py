import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from pytest_aiohttp import AiohttpServer

from tests.tools.simulator.receiver import HANG, Receiver
from tools.simulator.api import ApiOptions, Form, Link, Span
from tools.simulator.cli import build_parser, main
from tools.simulator.commands.api_options import api_options
from tools.simulator.key_file import load_signer, save_signer
from tools.simulator.keys import Signer
from tools.simulator.library import shipped_names

URL = "http://127.0.0.1:1/webhooks/partoo"


@pytest.fixture
def key(tmp_path: Path) -> str:
    path = tmp_path / "test.key"
    save_signer(Signer.new(), path)
    return str(path)


async def send(receiver: Receiver, key: str, *args: str, scenario: str = "documented") -> int:
    argv = ["send", scenario, "--url", str(receiver.url), "--key", key, "--retry-base", "0.001", *args]
    # In a thread: the command runs an event loop of its own, and the receiver needs this one.
    return await asyncio.to_thread(main, argv)


def fails(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Run a command that cannot be done, and give its one line on stderr."""
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


def test_key_makes_a_key_and_prints_nothing_but_its_public_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "my.key"
    assert main(["key", "--file", str(path)]) == 0
    out, err = capsys.readouterr()
    assert out == f"PARTOO_PUBLIC_KEYS={load_signer(path).public_key}\n"
    assert "keep it out of version control" in err


def test_key_show_prints_the_line_of_an_existing_key(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["key", "--show", "--file", key]) == 0
    assert capsys.readouterr().out == f"PARTOO_PUBLIC_KEYS={load_signer(Path(key)).public_key}\n"


def test_key_refuses_to_overwrite(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"{key}: there is a file already" in fails(capsys, "key", "--file", key)


def test_key_show_without_a_key_says_how_to_make_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no key here. Make one with" in fails(capsys, "key", "--show", "--file", str(tmp_path / "no.key"))


def test_scenarios_lists_names_and_titles(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenarios"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == shipped_names()
    assert "as Partoo documents it" in lines[0]


async def test_send_tells_each_step_in_a_line_and_exits_0(
    aiohttp_server: AiohttpServer, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver = await Receiver().start(aiohttp_server)
    assert await send(receiver, key) == 0
    out, err = capsys.readouterr()
    _title, created, edited, _vanished, back = out.splitlines()
    assert created.startswith("2025-08-20 16:10  created: Castorche writes a review: 4 stars. | ")
    assert f"| {len(receiver.received[0].body)} bytes " in created
    assert "200 accepted, delivery_id d-1, " in created
    assert created.endswith(" ms")
    assert "byte for byte" not in edited
    assert ", byte for byte the same as edited | 200 accepted, delivery_id d-4, " in back
    assert err == ""


async def test_send_json_tells_the_same_facts_in_an_object_a_line(
    aiohttp_server: AiohttpServer, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver = await Receiver((200, 200, 200, 503, 200)).start(aiohttp_server)
    assert await send(receiver, key, "--json") == 0
    steps: list[dict[str, Any]] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [step["step"] for step in steps] == ["created", "edited", "vanished", "back"]
    back = steps[3]
    assert back["sha256"] == steps[1]["sha256"]
    assert back["same_as"] == "edited"
    assert back["at"] == "2025-09-15T20:15:33+02:00"
    assert back["bytes"] == len(receiver.received[3].body)
    assert (back["acknowledged"], back["status"], back["delivery_id"]) == (True, 200, "d-5")
    assert [attempt["status"] for attempt in back["attempts"]] == [503, 200]
    assert back["answer"] == {"status": "accepted", "delivery_id": "d-5"}


async def test_send_tells_of_each_redelivery_and_of_the_attempt_that_was_acknowledged(
    aiohttp_server: AiohttpServer, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver = await Receiver((503, HANG, 200)).start(aiohttp_server)
    assert await send(receiver, key, "--timeout", "0.05") == 0
    out, err = capsys.readouterr()
    assert err.splitlines() == [
        "created: 503; sent again in 0.001 s",
        "created: no answer within 0.05 s; sent again in 0.002 s",
    ]
    assert out.splitlines()[1].endswith(" ms, attempt 3")


async def test_send_exits_1_when_an_event_was_lost_at_once_and_says_which_and_why(
    aiohttp_server: AiohttpServer, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver = await Receiver((200, 401, 200)).start(aiohttp_server)
    assert await send(receiver, key) == 1
    out, err = capsys.readouterr()
    assert "| LOST: 401, " in out.splitlines()[2]
    assert err == (
        "edited: lost at once, Partoo never sends again what was answered with 401 code_401: The receiver says why.\n"
    )


async def test_send_exits_1_when_an_event_was_lost_after_its_last_redelivery(
    aiohttp_server: AiohttpServer, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver = await Receiver((503, 503, 503, 503, 503, 503, 200)).start(aiohttp_server)
    assert await send(receiver, key) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "created: lost after 6 attempts, the last: 503 code_503: The receiver says why."
    )


async def test_send_puts_the_secret_into_the_query(aiohttp_server: AiohttpServer, key: str) -> None:
    receiver = await Receiver().start(aiohttp_server)
    assert await send(receiver, key, "--secret", "9fa91 &é") == 0
    assert {received.query["key"] for received in receiver.received} == {"9fa91 &é"}


@pytest.mark.parametrize("scenario", shipped_names())
async def test_every_shipped_scenario_can_be_sent(aiohttp_server: AiohttpServer, key: str, scenario: str) -> None:
    receiver = await Receiver().start(aiohttp_server)
    assert await send(receiver, key, scenario=scenario) == 0


def test_an_unknown_scenario_is_one_clear_line(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    err = fails(capsys, "send", "nothing", "--url", URL, "--key", key)
    assert 'no shipped scenario is called "nothing"' in err


def test_a_wrong_scenario_file_is_one_clear_line(tmp_path: Path, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.json"
    path.write_text('{"title": "T", "source": "S", "steps": [{"name": "one", "at": "soon"}]}')
    err = fails(capsys, "send", str(path), "--url", URL, "--key", key)
    assert 'mine.json: step "one": "at" must be an ISO date-time' in err


def test_a_missing_key_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    err = fails(capsys, "send", "documented", "--url", URL, "--key", str(tmp_path / "no.key"))
    assert "there is no key here" in err


@pytest.mark.parametrize(
    "url",
    [
        "",
        "here",
        "ftp://host/",
        "http://",
        "http://[::1",
        "http://a..b/",
        "http://a b/",
        "http://xn--a/",
        "localhost:8080/x",
        "http://h:99999/",
        "http://h:x/",
    ],
)
def test_a_url_that_cannot_be_posted_to_is_one_clear_line(
    key: str, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    assert f'--url "{url}": this is not a URL' in fails(capsys, "send", "documented", "--url", url, "--key", key)


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "soon"])
def test_times_are_numbers_of_seconds(capsys: pytest.CaptureFixture[str], seconds: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["send", "documented", "--url", URL, f"--day={seconds}"])
    assert stopped.value.code == 2
    assert f'argument --day: "{seconds}" is not a number of seconds' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--api-lag", "5-1", '"5-1" is neither a number of seconds nor two, as 1-5'),
        ("--api-lag", "soon", '"soon" is neither a number of seconds nor two'),
        ("--api-lag", "-3", '"-3" is neither a number of seconds nor two'),
        ("--api-notation", "Z,+00:00", '"Z,+00:00": Z and +00:00 cannot hold at once'),
        ("--api-notation", "french", '"french" lists neither some of Z,+00:00'),
        ("--api-notation", "mixed,Z", '"mixed,Z" lists neither some of'),
        ("--api-disconnected", "yelp", '"yelp" is no link: write one of google_my_business, facebook'),
        ("--api-disconnected", "/facebook", '"/facebook" is no link'),
        ("--api-omits", "a,,b", '"a,,b" is not a list of names'),
        ("--api-businesses", "", '"" is not a list of names'),
        ("--api-revoked-after", "never", '"never" is not a number of seconds'),
        ("--api-unreadable", "2", '"2" is not a share, from 0 to 1'),
    ],
)
def test_a_bad_value_of_the_api_is_refused_and_says_what_would_be_right(
    capsys: pytest.CaptureFixture[str], option: str, value: str, complaint: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["serve", "--api-only", "--api-port", "0", f"{option}={value}"])
    assert stopped.value.code == 2
    assert f"argument {option}: {complaint}" in capsys.readouterr().err


def test_the_options_of_the_api_are_read_from_what_a_person_types() -> None:
    given = ["--api-lag", "1-5", "--api-disconnected", "facebook, 3/tripadvisor", "--api-businesses", "0,b7"]
    given += ["--api-notation", "Z,seconds", "--api-omits", "key,link", "--api-adds", "origin"]
    options = api_options(build_parser().parse_args(["serve", *given]))
    third = "5409c35a97bbc544d8000003"
    assert options.lag == Span(1.0, 5.0)
    assert options.disconnected == {Link("facebook"), Link("tripadvisor", third)}
    assert options.businesses == frozenset({"5409c35a97bbc544d8000000", "b7"})
    assert options.notation == {Form.Z, Form.SECONDS}
    assert (options.omitted_fields, options.added_fields) == (frozenset({"key", "link"}), ("origin",))
    assert api_options(build_parser().parse_args(["serve", "--api-notation", "mixed"])).mixed_notation
    assert api_options(build_parser().parse_args(["serve"])) == ApiOptions()


@pytest.mark.parametrize("command", [[], ["key"], ["scenarios"], ["send"], ["serve"], ["compare"]])
def test_every_help_text_has_examples(capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--help"])
    assert stopped.value.code == 0
    assert "examples:\n  python -m tools.simulator" in capsys.readouterr().out


async def run(*argv: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tools.simulator", *argv),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PYTHONIOENCODING": "ascii"},
        cwd=Path(__file__).parents[3],
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.mark.process
async def test_the_process_sends_and_survives_a_terminal_that_lacks_letters(
    aiohttp_server: AiohttpServer, key: str
) -> None:
    receiver = await Receiver().start(aiohttp_server)
    status, out, err = await run("send", "duplicates", "--url", str(receiver.url), "--key", key)
    assert (status, err) == (0, "")
    assert "?lodie writes a review" in out


@pytest.mark.process
async def test_the_process_ends_with_2_and_no_traceback_where_it_cannot_be_done(tmp_path: Path) -> None:
    status, out, err = await run("send", "documented", "--url", URL, "--key", str(tmp_path / "no.key"))
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert "Traceback" not in err

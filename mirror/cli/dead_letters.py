"""`dead-letters list|show|retry|drop`: accepted deliveries that could not be applied."""

import argparse
import base64
import re
from collections.abc import Awaitable, Callable
from typing import Any

from mirror.bootstrap import EXIT_FAILED, EXIT_MISCONFIGURED
from mirror.cli import arguments
from mirror.cli.output import write, write_json
from mirror.clock import iso, span
from mirror.domain.dead_letters import DeadLetter
from mirror.domain.inbox import received_at
from mirror.settings import Settings
from mirror.storage import dead_letters
from mirror.storage.retrying import Outcome, retry_one
from mirror.storage.store import Store

NAME = "dead-letters"
HELP = "list, show, retry or drop deliveries that were accepted and could not be applied"
DEFAULT_LIMIT = 50
_NONE = "No dead letters: every delivery accepted could be read."

Act = Callable[[Store, Settings, argparse.Namespace], Awaitable[int]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    def add(name: str, act: Act, words: str) -> argparse.ArgumentParser:
        added = actions.add_parser(name, help=words, description=words)
        added.set_defaults(act=act)
        arguments.add_json(added)
        return added

    listing = add("list", _list, "list them, the oldest first, with age and reason")
    listing.add_argument(
        "--limit", type=arguments.limit(1_000), default=DEFAULT_LIMIT, help=f"at most so many ({DEFAULT_LIMIT})"
    )
    listing.add_argument("--after", metavar="ID", type=_delivery_id, help="go on behind this one")
    showing = add("show", _show, "show one with its raw body")
    showing.add_argument("id", metavar="ID", help="its delivery id")
    retrying = add("retry", _retry, "read them again and put what can be read by now into the inbox of its review")
    _add_choice(retrying)
    dropping = add("drop", _drop, "throw them away")
    _add_choice(dropping)
    arguments.add_yes(dropping)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", metavar="ID", nargs="*", help="delivery ids")
    parser.add_argument("--all", action="store_true", help="every dead letter")


def _delivery_id(text: str) -> str:
    if not re.fullmatch("[0-9a-f]{24}", text):
        raise argparse.ArgumentTypeError("a delivery's id has 24 hexadecimal digits")
    return text


async def run(store: Store, settings: Settings, options: argparse.Namespace) -> int:
    act: Act = options.act
    return await act(store, settings, options)


async def _list(store: Store, _settings: Settings, options: argparse.Namespace) -> int:
    ids = await dead_letters.ids(store)
    behind = [delivery_id for delivery_id in ids if delivery_id > (options.after or "")]
    shown = behind[: options.limit]
    following = shown[-1] if len(shown) < len(behind) else None
    letters = await dead_letters.read(store, shown)
    now = await store.now()
    copies = await dead_letters.copies(store, letters)
    if options.json:
        found = [_facts(letter, before, now) for letter, before in zip(letters, copies, strict=True)]
        write_json({"count": len(ids), "dead_letters": found, "next": following})
        return 0
    if not ids:
        write(_NONE)
        return 0
    write(f"{_count(len(ids))}, the oldest received {_ago(ids[0], now)} ago.")
    if not shown:
        write(f"None after {options.after}.")
    for letter, before in zip(letters, copies, strict=True):
        review = "" if letter.review_id is None else f", review {letter.review_id}"
        write(f"{letter.delivery_id}  {span(max(0, now - letter.received_at)):>10}  {letter.code}{review}")
        write(f"{'':26}{letter.source}, {len(letter.body)} bytes{_times(before, now)}: {letter.message}")
    if following is not None:
        write(f"{len(behind) - len(shown)} more: --after {following}")
    return 0


async def _show(store: Store, _settings: Settings, options: argparse.Namespace) -> int:
    found = await dead_letters.read(store, [options.id])
    if not found:
        return _absent(options.id)
    (letter,) = found
    (copies,) = await dead_letters.copies(store, found)
    facts = _facts(letter, copies, await store.now())
    if options.json:
        write_json(facts | _body(letter))
        return 0
    for name, value in facts.items():
        write(f"{name:17}  {'unknown' if value is None else value}")
    write()
    for line in letter.body.decode(errors="backslashreplace").split("\n"):
        write(line)
    return 0


async def _retry(store: Store, settings: Settings, options: argparse.Namespace) -> int:
    ids = await _chosen(store, options)
    if isinstance(ids, int):
        return ids
    results = [await retry_one(store, delivery_id, settings.windows) for delivery_id in ids]
    if options.json:
        write_json({"results": results})
    elif not results:
        write(_NONE)
    for result in [] if options.json else results:
        write(f"{result.delivery_id}  {result.words}")
    return 0 if all(result.outcome in (Outcome.RETRIED, Outcome.IGNORED) for result in results) else EXIT_FAILED


async def _drop(store: Store, _settings: Settings, options: argparse.Namespace) -> int:
    ids = await _chosen(store, options)
    if isinstance(ids, int):
        return ids
    if not ids:
        _tell_dropped([], [], options)
        return 0
    if not arguments.confirmed(f"{_count(len(ids))} would be lost for ever.", options):
        return EXIT_MISCONFIGURED
    dropped = [delivery_id for delivery_id in ids if await dead_letters.drop(store, delivery_id)]
    absent = [delivery_id for delivery_id in ids if delivery_id not in dropped]
    _tell_dropped(dropped, absent, options)
    return EXIT_FAILED if absent else 0


def _tell_dropped(dropped: list[str], absent: list[str], options: argparse.Namespace) -> None:
    if options.json:
        write_json({"dropped": dropped, "not_there": absent})
        return
    write(f"{_count(len(dropped))} dropped." if dropped or absent else _NONE)
    for delivery_id in absent:
        write(f"{delivery_id}  is not there: no dead letter has this id (any more)")


async def _chosen(store: Store, options: argparse.Namespace) -> list[str] | int:
    """Return the delivery ids that the arguments name, or the exit status where they are misused."""
    if options.all == bool(options.ids):
        return arguments.misused("name dead letters by their delivery ids, or all of them by --all")
    return await dead_letters.ids(store) if options.all else list(dict.fromkeys(options.ids))


def _absent(delivery_id: str) -> int:
    write(f"{delivery_id} is not there: no dead letter has this id (any more).")
    return EXIT_FAILED


def _times(copies: dead_letters.Copies, now: int) -> str:
    if not copies.count:
        return ""
    return f", received {copies.count + 1} times, first {_ago(copies.first_delivery_id, now)} ago"


def _facts(letter: DeadLetter, copies: dead_letters.Copies, now: int) -> dict[str, Any]:
    return {
        "delivery_id": letter.delivery_id,
        "received_at": iso(letter.received_at),
        "age_s": max(0, now - letter.received_at) / 1000,
        "code": letter.code,
        "message": letter.message,
        "source": letter.source,
        "review_id": letter.review_id,
        "bytes": len(letter.body),
        "times_received": copies.count + 1,
        "first_received_at": iso(received_at(copies.first_delivery_id)),
    }


def _body(letter: DeadLetter) -> dict[str, str]:
    try:
        return {"body": letter.body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(letter.body).decode()}


def _count(count: int) -> str:
    return "1 dead letter" if count == 1 else f"{count} dead letters"


def _ago(delivery_id: str, now: int) -> str:
    return span(max(0, now - received_at(delivery_id)))

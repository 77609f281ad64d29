"""`notices`: what the operator was told and is not over, and what waits to be sent; or a notice to try it."""

import argparse
from typing import Any

from mirror.alerting import messages
from mirror.alerting.notifier import target_of
from mirror.bootstrap import EXIT_FAILED
from mirror.cli.output import write, write_json
from mirror.clock import iso
from mirror.domain.notices import Kind, Known, Notice, State
from mirror.outgoing.client import OutgoingClient
from mirror.settings import Settings
from mirror.storage import notices
from mirror.storage.store import Store

NAME = "notices"
HELP = "show what the operator was told and what waits to be sent to ALERT_WEBHOOK_URL; --test sends a notice"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--test", action="store_true", help="send a notice now, and say what came of it")


async def run(store: Store, settings: Settings, options: argparse.Namespace) -> int:
    if options.test:
        return await _test(store, settings, as_json=options.json)
    state = await notices.read(store)
    if options.json:
        waiting = [messages.event_of(notice) for notice in state.outbox]
        write_json({"to": _where(settings), "told": _told(state), "waiting": waiting})
        return 0
    write(f"notices go {_where(settings) or 'nowhere: ALERT_WEBHOOK_URL is not set'}")
    for known in state.known.values():
        if known.told_at:
            write(f"told          since {iso(known.since)}: {known.condition.what}")
            write(f"              → {known.condition.todo}")
    for notice in state.outbox:
        write(f"waiting       {notice.kind}: {notice.what}")
    if not state.outbox and not any(known.told_at for known in state.known.values()):
        write("nothing is wrong, as far as was told")
    return 0


def _where(settings: Settings) -> str | None:
    """Say where notices go, without what may be secret in the URL."""
    target = target_of(settings)
    if target is None:
        return None
    return f"to {messages.host(target.url)}{', in the form of Slack' if target.slack else ''}"


def _told(state: State) -> list[dict[str, Any]]:
    return [_view(known) for known in state.known.values() if known.told_at]


def _view(known: Known) -> dict[str, Any]:
    condition = known.condition
    times = {"since": iso(known.since), "told_at": iso(known.told_at)}
    return {"key": condition.key, "what": condition.what, "todo": condition.todo, "look": condition.look, **times}


async def _test(store: Store, settings: Settings, *, as_json: bool) -> int:
    target = target_of(settings)
    if target is None:
        write("ALERT_WEBHOOK_URL is not set: there is nobody to tell")
        return EXIT_FAILED
    now = await store.now()
    notice = Notice(
        id=f"test-{now}",
        kind=Kind.TEST,
        key="test",
        at=now,
        since=now,
        what="this is a test: nothing is wrong",
        look="python -m mirror doctor",
    )
    client = OutgoingClient(allow_private=settings.outgoing_allow_private)
    try:
        body = messages.body_of(notice, slack=target.slack)
        answer = await client.send(target.url, body, notice.id, target.secrets, now)
    finally:
        await client.close()
    if as_json:
        write_json({"delivered": answer.succeeded, "status": answer.status or None, "error": answer.error or None})
    else:
        write(f"{'taken' if answer.succeeded else 'not taken'}: {answer.status or answer.error}")
    return 0 if answer.succeeded else EXIT_FAILED

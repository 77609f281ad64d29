"""`endpoints …`: where outgoing webhooks are sent, and how the sending to each stands."""

import argparse
import secrets
from collections.abc import Awaitable, Callable

import msgspec

from mirror import endpoint_actions, parsing
from mirror.bootstrap import EXIT_FAILED
from mirror.cli import arguments
from mirror.cli.output import counted, write, write_json
from mirror.clock import iso, span
from mirror.domain.feed import KINDS, CursorExpiredError, Position
from mirror.domain.outgoing import (
    ROTATION_MS,
    SECRET_BYTES,
    Endpoint,
    Item,
    Secret,
    make_secret,
)
from mirror.endpoint_views import answer_view, item_view, standing_view
from mirror.events import CloudEvent
from mirror.outgoing.client import OutgoingClient, is_private_literal
from mirror.settings import Settings
from mirror.storage import endpoints, feed
from mirror.storage.endpoints import Standing, UnknownEndpointError
from mirror.storage.store import Store

NAME = "endpoints"
HELP = "tell other programs of every change by signed webhooks: add, list, show, pause, replay … endpoints"
_NONE = "No endpoints. Add one with: python -m mirror endpoints add https://…"

Act = Callable[[Store, Settings, argparse.Namespace], Awaitable[int]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    def action(name: str, act: Act, words: str, *, of_one: bool = True) -> argparse.ArgumentParser:
        added = actions.add_parser(name, help=words, description=words)
        added.set_defaults(act=act)
        arguments.add_json(added)
        if of_one:
            added.add_argument("id", metavar="ID", help="the endpoint's id")
        return added

    _add_adding(action("add", _add, "add an endpoint; prints its id and its secret, once", of_one=False))
    action("list", _list, "list them, and how far each is behind", of_one=False)
    action("show", _show, "show one: state, cursor, lag, the last answers, what is pending or parked")
    action("pause", _pause, "send nothing until it is resumed; nothing is lost that the feed still keeps")
    action("resume", _resume, "go on, also where it was disabled")
    action("rotate", _rotate, "make a new secret; the one before signs as well for 24 h")
    action("test", _test, "send a test event now, and tell what is answered")
    replaying = action("replay", _replay, "send again what happened since a time, or one parked event")
    what = replaying.add_mutually_exclusive_group(required=True)
    what.add_argument("--since", type=arguments.moment, metavar="TIME", help="everything that happened since then")
    what.add_argument("--event", metavar="EVENT", help="this event, which is parked")
    skipping = action("skip", _skip, "give up one event, pending or parked, so that the rest of its review goes on")
    skipping.add_argument("event", metavar="EVENT", help="the event's id, such as 34-7")
    arguments.add_yes(action("remove", _remove, "remove an endpoint and all that is kept of it"))


def _add_adding(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", type=_url, help="where events are posted")
    parser.add_argument("--kind", action="append", choices=KINDS, default=[], help="only this kind; may be repeated")
    parser.add_argument("--business-id", action="append", default=[], metavar="ID", help="only this business")
    parser.add_argument("--partner", action="append", default=[], metavar="NAME", help="only this partner")
    parser.add_argument(
        "--hold-vanished",
        type=_duration,
        default=0,
        metavar="TIME",
        help="tell of a disappearance only once it has lasted so long, such as 48h; of one that heals before, never",
    )
    parser.add_argument(
        "--from",
        dest="start",
        default="now",
        metavar="now|start|CURSOR",
        help="where to begin: with what happens from now on (default), with all that the feed keeps, or at its cursor",
    )


def _url(text: str) -> str:
    try:
        return parsing.webhook_url(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _duration(text: str) -> int:
    try:
        return parsing.duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


async def run(store: Store, settings: Settings, options: argparse.Namespace) -> int:
    act: Act = options.act
    try:
        return await act(store, settings, options)
    except UnknownEndpointError:
        return arguments.misused(f"no endpoint has the id {options.id}: python -m mirror endpoints list shows them")


async def _add(store: Store, settings: Settings, options: argparse.Namespace) -> int:
    if not settings.outgoing_allow_private and is_private_literal(options.url):
        return arguments.misused(f"{options.url} is not a public address; OUTGOING_ALLOW_PRIVATE=on allows it")
    bounds = await feed.bounds(store)
    try:
        named = {"now": bounds.last, "start": bounds.oldest}
        cursor = named[options.start] if options.start in named else Position.read(options.start)
        bounds.check(cursor)
    except (ValueError, CursorExpiredError) as error:
        return arguments.misused(f"--from {options.start}: {error}")
    endpoint = Endpoint(
        id="ep_" + secrets.token_hex(6),
        url=options.url,
        secrets=(Secret(make_secret(secrets.token_bytes(SECRET_BYTES))),),
        created_at=await store.now(),
        kinds=tuple(options.kind),
        business_ids=tuple(options.business_id),
        partners=tuple(options.partner),
        hold_vanished=options.hold_vanished,
    )
    await endpoints.add(store, endpoint, cursor)
    secret = endpoint.secrets[0].value
    if options.json:
        write_json({"id": endpoint.id, "url": endpoint.url, "secret": secret})
        return 0
    write(f"id      {endpoint.id}")
    write(f"url     {endpoint.url}")
    write(f"secret  {secret}   (shown this once)")
    if endpoint.url.startswith("http://"):
        write("Over http:// everybody on the way can read the events: they hold names and texts.")
    write(f"Try it: python -m mirror endpoints test {endpoint.id}")
    return 0


async def _list(store: Store, _settings: Settings, options: argparse.Namespace) -> int:
    now = await store.now()
    found = [await endpoints.standing(store, one, now) for one in await endpoints.all_endpoints(store)]
    if options.json:
        write_json({"endpoints": [standing_view(one) for one in found]})
        return 0
    if not found:
        write(_NONE)
    for one in found:
        write(f"{one.endpoint.id}  {one.endpoint.state:8}  {_lag(one)}  {one.endpoint.url}")
    return 0


async def _show(store: Store, _settings: Settings, options: argparse.Namespace) -> int:
    endpoint = await endpoints.get(store, options.id)
    one = await endpoints.standing(store, endpoint, await store.now())
    pending, parked = await endpoints.pending(store, endpoint.id), await endpoints.parked(store, endpoint.id)
    if options.json:
        events = {"pending_events": [item_view(item) for item in pending]}
        write_json(standing_view(one) | events | {"parked_events": [item_view(item) for item in parked]})
        return 0
    write(f"{endpoint.id}  {endpoint.url}")
    write(f"state    {endpoint.state}" + (f": {endpoint.reason}" if endpoint.reason else ""))
    write(f"cursor   {one.cursor}")
    write(f"lag      {_lag(one)}")
    write(f"told     {counted(one.delivered, 'event')}; {counted(one.failed, 'attempt')} failed")
    if one.failing_since:
        write(f"failing  since {iso(one.failing_since)}")
    if endpoint.hold_vanished:
        write(f"holds    disappearances for {span(endpoint.hold_vanished)}")
    for title, items in (("pending", pending), ("parked", parked)):
        for item in items[:20]:
            write(f"{title:8} {_item_line(item)}")
        if len(items) > 20:  # noqa: PLR2004 - a screen
            write(f"{'':8} and {len(items) - 20} more")
    for answer in one.answers[:10]:
        write(f"answer   {iso(answer.at)}  {answer.event}  {answer.status or answer.error}, {answer.took} ms")
    return 0


def _lag(one: Standing) -> str:
    if not one.lag_events:
        return "up to date"
    more = "+" if one.lag_events == endpoints.MOST_COUNTED else ""
    return f"{one.lag_events:,}{more} behind, {span(one.lag_ms)}"


def _item_line(item: Item) -> str:
    again = f"again at {iso(item.next_at)}" if item.next_at else "as soon as those before it"
    status = f", last answer {item.last_status}" if item.last_status else ""
    return f"{item.event_id}  {item.kind}: {counted(item.failures, 'attempt')} failed{status}; {again}"


async def _pause(store: Store, _settings: Settings, options: argparse.Namespace) -> int:
    return _told(await endpoint_actions.pause(store, options.id), options, "paused")


async def _resume(store: Store, _settings: Settings, options: argparse.Namespace) -> int:
    return _told(await endpoint_actions.resume(store, options.id), options, "active")


async def _rotate(store: Store, _settings: Settings, options: argparse.Namespace) -> int:
    fresh, until = Secret(make_secret(secrets.token_bytes(SECRET_BYTES))), await store.now() + ROTATION_MS
    endpoint = await endpoints.change(
        store,
        options.id,
        lambda one: msgspec.structs.replace(one, secrets=(fresh, Secret(one.secrets[0].value, until))),
    )
    if options.json:
        write_json({"id": endpoint.id, "url": endpoint.url, "secret": fresh.value, "old_secret_until": iso(until)})
    else:
        write(f"secret  {fresh.value}   (shown this once)")
        write(f"The one before signs as well until {iso(until)}.")
    return 0


async def _test(store: Store, settings: Settings, options: argparse.Namespace) -> int:
    endpoint = await endpoints.get(store, options.id)
    now = await store.now()
    data = {"endpoint": endpoint.id}
    event = CloudEvent(f"test-{now}", "/endpoints", "reviewmirror.test", endpoint.id, iso(now), data)
    client = OutgoingClient(allow_private=settings.outgoing_allow_private)
    try:
        answer = await client.post(endpoint, event, now)
    finally:
        await client.close()
    if options.json:
        write_json({"ok": answer.succeeded} | answer_view(answer))
    elif answer.succeeded:
        write(f"{answer.status} after {answer.took} ms: it works.")
    else:
        found = f"{answer.status or answer.error} after {answer.took} ms"
        write(f"{found}: an event would be sent again until it gets a 2xx.")
    return 0 if answer.succeeded else EXIT_FAILED


async def _replay(store: Store, _settings: Settings, options: argparse.Namespace) -> int:
    if options.event is not None:
        return await _take_out(store, options, ("parked",), again=True)
    try:
        endpoint = await endpoint_actions.replay(store, options.id, options.since)
    except CursorExpiredError:
        first = (await feed.bounds(store)).first
        return arguments.misused(
            f"--since: the feed keeps what happened since {'now' if first is None else iso(first.at)}"
        )
    return _told(endpoint, options, f"sends again what happened since {iso(options.since)}")


async def _skip(store: Store, _settings: Settings, options: argparse.Namespace) -> int:
    return await _take_out(store, options, ("pending", "parked"), again=False)


async def _take_out(store: Store, options: argparse.Namespace, parts: tuple[str, ...], *, again: bool) -> int:
    endpoint = await endpoints.get(store, options.id)
    for part in parts:
        read = endpoints.pending if part == "pending" else endpoints.parked
        items = [item for item in await read(store, endpoint.id) if item.event_id == options.event]
        if items:
            # The sender begins anew before and after, so that it neither writes over this nor sends from memory.
            await endpoints.change(store, endpoint.id, anew=True)
            await endpoints.take_out(store, endpoint.id, part, items, again=again)
            await endpoints.change(store, endpoint.id, anew=True)
            return _told(endpoint, options, f"{options.event} is {'sent again' if again else 'given up'}")
    return arguments.misused(f"{options.event} is not {' or '.join(parts)} at {endpoint.id}")


async def _remove(store: Store, _settings: Settings, options: argparse.Namespace) -> int:
    endpoint = await endpoints.get(store, options.id)
    if not arguments.confirmed(f"{endpoint.url} would be told nothing more, and what is pending is lost.", options):
        return EXIT_FAILED
    await endpoints.remove(store, endpoint.id)
    return _told(endpoint, options, "removed")


def _told(endpoint: Endpoint, options: argparse.Namespace, words: str) -> int:
    if options.json:
        write_json({"id": endpoint.id, "state": endpoint.state, "done": words})
    else:
        write(f"{endpoint.id}: {words}")
    return 0

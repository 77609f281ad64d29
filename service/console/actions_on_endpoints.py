"""Pausing, resuming and replaying to an endpoint."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from mirror import endpoint_actions
from mirror.clock import iso
from mirror.domain.feed import CursorExpiredError
from mirror.storage import endpoints, feed
from mirror.storage.endpoints import UnknownEndpointError
from mirror.storage.store import Store
from service.console.action import Action, Done, Given, Question
from service.console.pages.endpoints import unknown_endpoint
from service.console.rendering import when
from service.console.visit import PageError, Visit
from service.console.words import moment


def _endpoint_id(given: Given) -> str:
    return str(given.get("id", ""))


def _about_endpoint(title: str, words: str, button: str) -> Callable[[Visit, Given], Awaitable[Question]]:
    async def question(visit: Visit, given: Given) -> Question:
        try:
            endpoint = await endpoints.get(visit.store, _endpoint_id(given))
        except UnknownEndpointError:
            raise unknown_endpoint() from None
        return Question(
            title=f"{title} endpoint {endpoint.id}?",
            words=words,
            button=button,
            back=f"/console/endpoints/{endpoint.id}",
            section="Endpoints",
            targets=[endpoint.url],
            fields=[("id", endpoint.id)],
        )

    return question


async def _pause(visit: Visit, given: Given) -> Done:
    return await _changed(visit, given, endpoint_actions.pause, "is paused")


async def _resume(visit: Visit, given: Given) -> Done:
    return await _changed(visit, given, endpoint_actions.resume, "is active")


async def _changed(visit: Visit, given: Given, change: Callable[..., Awaitable[Any]], words: str) -> Done:
    endpoint_id = _endpoint_id(given)
    try:
        await change(visit.store, endpoint_id)
    except UnknownEndpointError:
        raise unknown_endpoint() from None
    return Done(f"Endpoint {endpoint_id} {words}.", f"/console/endpoints/{endpoint_id}", {"endpoint_id": endpoint_id})


def _since(given: Given) -> int:
    since = moment(str(given.get("since", "")).strip(), "Since")
    if since is None:
        raise PageError(400, "Since when?", "Give the time from which on everything is sent again.")
    return since


async def _question_of_replay(visit: Visit, given: Given) -> Question:
    since = _since(given)
    words = f"Everything that happened since {when(since)} and that it wants is sent to it again, in order."
    question = await _about_endpoint("Replay to", words, "Send again")(visit, given)
    return msgspec.structs.replace(question, fields=[*question.fields, ("since", iso(since))])


async def _replay(visit: Visit, given: Given) -> Done:
    since = _since(given)

    async def change(store: Store, endpoint_id: str) -> None:
        try:
            await endpoint_actions.replay(store, endpoint_id, since)
        except CursorExpiredError:
            first = (await feed.bounds(store)).first
            words = f"The feed keeps what happened since {'now' if first is None else when(first.at)}."
            raise PageError(400, "This is not kept any more", words) from None

    done = await _changed(visit, given, change, f"is sent again what happened since {when(since)}")
    return msgspec.structs.replace(done, facts=done.facts | {"since": iso(since)})


PAUSE = Action(
    _about_endpoint(
        "Pause", "It is sent nothing until it is resumed. Nothing is lost that the feed still keeps.", "Pause"
    ),
    _pause,
)
RESUME = Action(
    _about_endpoint(
        "Resume",
        "It is sent what has happened since it stopped. If the feed has lost its place, it begins with the oldest "
        "event kept.",
        "Resume",
    ),
    _resume,
)
REPLAY = Action(_question_of_replay, _replay)

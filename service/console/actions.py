"""What somebody can do here: each action is asked for, confirmed, done, and logged with who did it."""

import structlog
from aiohttp import web

from service.console.action import Action, Done, Given, Question
from service.console.actions_on_endpoints import PAUSE, REPLAY, RESUME
from service.console.actions_on_letters import DROP, RETRY
from service.console.visit import Page, PageError, Visit, see_other
from service.requests import LOG_FACTS

log = structlog.get_logger()


async def ask(visit: Visit) -> Page:
    """Show what an action would do, with a button that does it."""
    name, action = _chosen(visit)
    question = await action.question(visit, visit.request.query)
    return Page("confirm.html", question.section, {"question": question, "action": name})


async def act(visit: Visit) -> web.StreamResponse:
    """Do what was confirmed."""
    name, action = _chosen(visit)
    done = await action.perform(visit, await visit.request.post())
    log.info("console.action", action=name, token=visit.session.token.name, **done.facts, **visit.request[LOG_FACTS])
    await visit.console.sessions.tell(visit.session, done.words)
    return see_other(done.back)


def _chosen(visit: Visit) -> tuple[str, Action]:
    name = visit.request.match_info["action"]
    action = ACTIONS.get(name)
    if action is None:
        raise PageError(404, "There is no such action", "Nothing was done.")
    token = visit.session.token
    if not visit.may_operate:
        log.warning("console.action_refused", action=name, token=token.name, **visit.request[LOG_FACTS])
        words = f"The token {token.name} may only read. Log in with one of the scope operate."
        raise PageError(403, "This token may not do that", words)
    return name, action


async def _question_of_reconciliation(visit: Visit, _given: Given) -> Question:
    if visit.settings.partoo_api_key is None:
        words = "PARTOO_API_KEY is not set, so Partoo's API cannot be asked. Set it for the web process and the worker."
        raise PageError(409, "Partoo cannot be asked", words)
    words = (
        "A worker reads everything that Partoo's API lists, at most PARTOO_API_RATE requests a minute, compares it "
        "with the mirror and applies what differs. If a reconciliation is under way, nothing more is begun."
    )
    return Question("Reconcile with Partoo now?", words, "Reconcile", "/console/doctor", "Doctor")


async def _reconcile(visit: Visit, given: Given) -> Done:
    await _question_of_reconciliation(visit, given)
    await visit.store.enqueue("reconcile")
    words = (
        "A worker will begin to reconcile within seconds. Its log tells how it goes: look for reconciliation.* lines."
    )
    return Done(words, "/console/doctor", {})


ACTIONS = {
    "retry-dead-letters": RETRY,
    "drop-dead-letters": DROP,
    "pause-endpoint": PAUSE,
    "resume-endpoint": RESUME,
    "replay-endpoint": REPLAY,
    "reconcile": Action(_question_of_reconciliation, _reconcile),
}

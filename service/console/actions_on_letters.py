"""Retrying and dropping dead letters."""

import re
from collections.abc import Awaitable, Callable

from mirror.storage import dead_letters
from mirror.storage.retrying import Outcome, retry_one
from service.console.action import Action, Done, Given, Question
from service.console.visit import PageError, Visit
from service.console.words import counted

# Dead letters of one action: as many as one page lists.
MOST_AT_ONCE = 50
_ID = re.compile("[0-9a-f]{24}")


def _letter_ids(given: Given) -> list[str]:
    ids = [str(one) for one in dict.fromkeys(given.getall("id", []))]
    if not 1 <= len(ids) <= MOST_AT_ONCE or not all(_ID.fullmatch(one) for one in ids):
        raise PageError(400, "Which dead letters?", f"An action takes 1 to {MOST_AT_ONCE} ids of dead letters.")
    return ids


def _about_letters(
    title: str, words: str, button: str, *, danger: bool
) -> Callable[[Visit, Given], Awaitable[Question]]:
    async def question(_visit: Visit, given: Given) -> Question:
        ids = _letter_ids(given)
        back = f"/console/dead-letters/{ids[0]}" if len(ids) == 1 else "/console/dead-letters"
        return Question(
            title=f"{title} {counted(len(ids), 'dead letter')}?",
            words=words,
            button=button,
            back=back,
            section="Dead letters",
            targets=ids,
            fields=[("id", one) for one in ids],
            danger=danger,
        )

    return question


async def _retry(visit: Visit, given: Given) -> Done:
    ids = _letter_ids(given)
    results = [await retry_one(visit.store, one, visit.settings.windows) for one in ids]
    outcomes = {str(outcome): count for outcome in Outcome if (count := sum(one.outcome is outcome for one in results))}
    staying = [one for one in results if one.outcome is Outcome.UNREADABLE]
    if len(results) == 1:
        words = f"Dead letter {results[0].delivery_id} {results[0].words}."
    else:
        moved = len(results) - len(staying)
        words = f"Of {counted(len(results), 'dead letter')}, {moved} moved on and {len(staying)} stay."
    back = f"/console/dead-letters/{ids[0]}" if len(ids) == 1 and staying else "/console/dead-letters"
    return Done(words, back, {"delivery_ids": ids, "outcomes": outcomes})


async def _drop(visit: Visit, given: Given) -> Done:
    ids = _letter_ids(given)
    dropped = [one for one in ids if await dead_letters.drop(visit.store, one)]
    words = f"{counted(len(dropped), 'dead letter')} dropped."
    if len(dropped) < len(ids):
        words += f" {counted(len(ids) - len(dropped), 'was', 'were')} not there any more."
    return Done(words, "/console/dead-letters", {"delivery_ids": ids, "dropped": len(dropped)})


RETRY = Action(
    _about_letters(
        "Retry",
        "Each is read again by this release. What can be read by now goes to its review; the rest stays.",
        "Retry",
        danger=False,
    ),
    _retry,
)
DROP = Action(_about_letters("Drop", "What they hold is lost for ever.", "Drop", danger=True), _drop)

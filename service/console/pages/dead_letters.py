"""Dead letters: accepted deliveries that could not be applied."""

import re

import msgspec

from mirror.domain.dead_letters import DeadLetter
from mirror.domain.inbox import received_at
from mirror.storage import dead_letters
from service.console.visit import Page, PageError, Visit

PAGE_SIZE = 50
# Of a body; more than that nobody reads on a page.
MOST_SHOWN = 50_000
_ID = re.compile("[0-9a-f]{24}")


async def list_letters(visit: Visit) -> Page:
    ids = await dead_letters.ids(visit.store)
    after = visit.parameter("after")
    behind = [delivery_id for delivery_id in ids if delivery_id > after]
    letters = await dead_letters.read(visit.store, behind[:PAGE_SIZE])
    copies = await dead_letters.copies(visit.store, letters)
    values = {
        "count": len(ids),
        "letters": list(zip(letters, copies, strict=True)),
        "following": f"/console/dead-letters?after={behind[PAGE_SIZE - 1]}" if len(behind) > PAGE_SIZE else None,
        "selected": "&".join(f"id={letter.delivery_id}" for letter in letters),
    }
    return Page("dead_letters.html", "Dead letters", values)


async def show_letter(visit: Visit) -> Page:
    delivery_id = visit.request.match_info["id"]
    found = await dead_letters.read(visit.store, [delivery_id]) if _ID.fullmatch(delivery_id) else []
    if not found:
        words = "No dead letter has this id (any more): it may have been retried or dropped."
        raise PageError(404, "This dead letter is not there", words)
    (letter,) = found
    (copies,) = await dead_letters.copies(visit.store, found)
    body = _readable(letter)
    visit.log_read(1, delivery_id=delivery_id, review_id=letter.review_id)
    values = {
        "letter": letter,
        "copies": copies,
        "first_at": received_at(copies.first_delivery_id),
        "body": body[:MOST_SHOWN],
        "is_cut": len(body) > MOST_SHOWN,
    }
    return Page("dead_letter.html", "Dead letters", values)


def _readable(letter: DeadLetter) -> str:
    """Write a body as it came, or indented where it is JSON."""
    text = letter.body.decode(errors="backslashreplace")
    try:
        return msgspec.json.format(letter.body, indent=2).decode()
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return text

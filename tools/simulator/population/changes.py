"""How one review's fields change: each function gives the review after it, and leaves the one before as it was. No I/O.

Every change changes something: an event whose payload is the one before does not happen here.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tools.simulator.chance import Dice
from tools.simulator.population.events import Kind, iso
from tools.simulator.population.newborn import TEXTS
from tools.simulator.population.options import Moving

Review = Mapping[str, Any]
Change = Callable[[Dice, Review, float], tuple[Kind, dict[str, Any]]]

STATES = ("treated", "not_treated", "pending_auto_reply", "treated_auto_reply")
TAGS = tuple(
    {"id": 25 + number, "label": label, "color": color}
    for number, (label, color) in enumerate((("food", "#808080"), ("staff", "#ff8800"), ("prix", "#00aa55")))
)
_MOVING = {
    Kind.TAGGED: Moving.TAGS,
    Kind.UNTAGGED: Moving.TAGS,
    Kind.MARKED: Moving.STATE,
    Kind.REPLIED: Moving.REPLY,
}


def change(dice: Dice, review: Review, at: float, moves: frozenset[Moving]) -> tuple[Kind, dict[str, Any]]:
    """Let something happen to a live review: give what it was, and the review after it."""
    kind, changed = dice.choices(tuple(_CHANGES), tuple(_CHANGES.values()))[0](dice, review, at)
    if kind not in _MOVING or _MOVING[kind] in moves:
        changed["update_date"] = iso(at)
    return kind, changed


def deletion(review: Review, at: float, moves: frozenset[Moving], *, delete_date: bool) -> dict[str, Any]:
    """Give the review as Partoo reports it deleted."""
    deleted = {**review, "state": "deleted"}
    if delete_date:
        deleted["delete_date"] = iso(at)
    if Moving.DELETION in moves:
        deleted["update_date"] = iso(at)
    return deleted


def _edit(dice: Dice, review: Review, at: float) -> tuple[Kind, dict[str, Any]]:
    # The moment in the text keeps two edits apart even where they draw the same sentence.
    return Kind.EDITED, {**review, "content": f"{dice.choice(TEXTS)} (édité, {iso(at)[:19]})"}


def _rate(dice: Dice, review: Review, _at: float) -> tuple[Kind, dict[str, Any]]:
    if review["rating"] is None:
        return Kind.RATED, {**review, "recommended": not review["recommended"]}
    return Kind.RATED, {**review, "rating": dice.choice([n for n in range(1, 6) if n != review["rating"]])}


def _tag(dice: Dice, review: Review, _at: float) -> tuple[Kind, dict[str, Any]]:
    assigned = review["tags"]
    free = [tag for tag in TAGS if tag not in assigned]
    if assigned and (not free or dice.random() < len(assigned) / len(TAGS)):
        gone = dice.choice(assigned)
        return Kind.UNTAGGED, {**review, "tags": [tag for tag in assigned if tag != gone]}
    return Kind.TAGGED, {**review, "tags": [*assigned, dice.choice(free)]}


def _reply(dice: Dice, review: Review, at: float) -> tuple[Kind, dict[str, Any]]:
    text = f"{dice.choice(('Merci', 'Thank you', 'Danke'))}, {review['author_name']} ! ({iso(at)[:19]})"
    before = review["comments"]
    if before is not None:
        return Kind.REPLIED, {**review, "comments": {**before, "content": text, "update_date": iso(at)}}
    reply = {
        "id": 80_000 + review["id"],
        "partner_id": f"{review['partner_id']}/reviews/{review['id']}/reply",
        "created": iso(at),
        "author_name": "Le Magasin",
        "content": text,
        "date": iso(at),
        "update_date": iso(at),
        "can_edit": True,
        "review_id": review["id"],
        "parent_id": None,
        "user_id": "123456789abcdef2f60c42ff",
        "is_reply_suggestion": False,
        "replies": [],
    }
    return Kind.REPLIED, {**review, "comments": reply, "state": "treated"}


def _mark(dice: Dice, review: Review, _at: float) -> tuple[Kind, dict[str, Any]]:
    return Kind.MARKED, {**review, "state": dice.choice([state for state in STATES if state != review["state"]])}


# Each with its weight among the others.
_CHANGES: Mapping[Change, int] = {_edit: 3, _rate: 2, _tag: 4, _reply: 4, _mark: 4}

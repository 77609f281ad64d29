"""How many reviews there are, how lively they are, and what Partoo does where it documents nothing. Performs no I/O."""

from dataclasses import dataclass
from enum import StrEnum


class Moving(StrEnum):
    """What may move a review's `update_date` beside edits of its text and rating, which always do."""

    TAGS = "tags"
    STATE = "state"
    REPLY = "reply"
    DELETION = "deletion"


@dataclass(frozen=True, slots=True)
class Population:
    """A population of reviews. Rates are for one review (or business) and day, shares lie between 0 and 1.

    `returning`: the share of deletions after which the review comes back.
    `flapping`: the share of single absences that last seconds to minutes only.
    `photos`: the share of reviews with photos, in `media_links`, which the other reviews lack.
    `moves_update_date`, `delete_date`: Partoo does not document whether `update_date` moves when a tag, the state or
    a reply changes or a review is deleted, nor whether a deletion always has its date; so both are settable.
    """

    reviews: int = 300
    businesses: int = 10
    days: float = 30.0
    changes_per_day: float = 0.1
    absences_per_day: float = 0.02
    business_absences_per_day: float = 0.01
    returning: float = 0.75
    flapping: float = 0.1
    unknown_fields: float = 0.0
    moves_update_date: frozenset[Moving] = frozenset()
    delete_date: bool = True
    photos: float = 0.0

"""What is settable about the API: what Partoo leaves open, and faults. Performs no I/O."""

from dataclasses import dataclass
from typing import NamedTuple

from tools.simulator.api.notation import Forms

DEFAULT_KEY = "a-key-for-the-simulator"


class Span(NamedTuple):
    """From so many seconds to so many; each request draws its own."""

    shortest: float = 0.0
    longest: float = 0.0


NO_TIME = Span()


class Link(NamedTuple):
    """A business's link to a platform; without a business, that of every business."""

    partner: str
    business_id: str | None = None


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """How the API behaves. Shares are of requests (`left_out`: of reviews) and lie between 0 and 1.

    Times are real seconds: a search lags, and a mirror waits, in real time, whatever the speed of the simulation.

    deleted_in_search    whether a search without `state` gives deleted reviews too: Partoo does not document it
    deleted_findable     whether a search with `state=deleted` gives them
    per_minute           requests in any 60 s, past which the answer is 429; 0: without limit
    retry_after_date     whether 429 says when to come back as an HTTP date, in place of a number of seconds
    revoked_after        when the key stops being valid; None: never

    lag                  how far the search is behind the webhooks
    listed_after         how long after its creation a review is listed first
    businesses           the business ids that the key sees; None: all
    disconnected         links to platforms that are gone: no search gives the reviews that came by them
    left_out             reviews that no search gives; which ones is drawn from `seed`

    notation             the forms in which reviews are written; `mixed_notation`: each request draws its own
    omitted_fields       fields that the API never writes
    added_fields         fields that only the API writes
    media_on_request     whether `media_links` is empty unless a request says `with_media_links=true`

    too_many, failing    answers of 429 and of 5xx, out of the blue
    hanging              requests that get no answer for `hang_s` seconds
    cut                  connections that are closed in place of an answer
    html                 pages for people in place of JSON, with status 200 or 502
    truncated            pages that hold fewer reviews than they say, or whose JSON is cut off half way
    unreadable           pages of which one item is null, has a bad id, or NaN as its rating
    """

    key: str = DEFAULT_KEY
    deleted_in_search: bool = False
    deleted_findable: bool = True
    per_minute: int = 300
    retry_after_date: bool = False
    revoked_after: float | None = None
    lag: Span = NO_TIME
    listed_after: float = 0.0
    businesses: frozenset[str] | None = None
    disconnected: frozenset[Link] = frozenset()
    left_out: float = 0.0
    notation: Forms = frozenset()
    mixed_notation: bool = False
    omitted_fields: frozenset[str] = frozenset()
    added_fields: tuple[str, ...] = ()
    media_on_request: bool = False
    too_many: float = 0.0
    failing: float = 0.0
    hanging: float = 0.0
    hang_s: float = 60.0
    cut: float = 0.0
    html: float = 0.0
    truncated: float = 0.0
    unreadable: float = 0.0
    seed: int = 1

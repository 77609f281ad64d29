"""Which reviews a search gives, page by page. Performs no I/O.

Filters as developers.partoo.co/guides/api/resources/reviews/retrieve-reviews names them. Partoo documents no order:
here the reviews that were updated last come first, so pages shift while one turns them.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from tools.simulator.population.truth import is_deleted

PER_PAGE = 30
_NO_DATE = datetime.min.replace(tzinfo=UTC)
_TRUE_FALSE = {"true": True, "false": False}
_RATINGS = frozenset("012345")

Review = Mapping[str, Any]
Filter = Callable[[Review], bool]


class BadParameterError(ValueError):
    """A parameter that the API does not take; the message says which and why."""


def search(
    reviews: Iterable[Review], query: Mapping[str, str], *, deleted_in_search: bool, deleted_findable: bool
) -> dict[str, Any]:
    """Answer `GET /v2/reviews`. Raises BadParameterError."""
    filters = [_filter(name, value) for name, value in query.items() if name != "page"]
    if "state" not in query and not deleted_in_search:
        filters.append(lambda review: not is_deleted(review))
    if not deleted_findable:
        filters.append(lambda review: not is_deleted(review))
    page = _page(query.get("page", "1"))
    found = [review for review in reviews if all(passes(review) for passes in filters)]
    found.sort(key=lambda review: (_updated(review), review["id"]), reverse=True)
    return {
        "page": page,
        "max_page": max(1, -(-len(found) // PER_PAGE)),
        "count": len(found),
        "reviews": found[(page - 1) * PER_PAGE : page * PER_PAGE],
    }


def _filter(name: str, value: str) -> Filter:
    try:
        make = _FILTERS[name]
    except KeyError:
        raise BadParameterError(f"{name}: there is no such filter here; there are: {', '.join(_FILTERS)}") from None
    return make(name, value)


def _page(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,8}", text):
        raise BadParameterError(f"page: {text!a} is not a page, they count from 1")
    return int(text)


def _updated(review: Review) -> datetime:
    """Tell when a review was updated last; the date of its creation counts where it has no update date."""
    text = review.get("update_date") or review.get("date")
    if not text:
        return _NO_DATE
    return _parsed(text)


@lru_cache(maxsize=2**16)
def _parsed(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _moment(name: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is not None or "T" not in text:
        raise BadParameterError(f"{name}: {text!a} is not a UTC date-time without offset, as 2017-08-01T00:00:00")
    return moment.replace(tzinfo=UTC)


def _since(name: str, text: str) -> Filter:
    moment = _moment(name, text)
    return lambda review: _updated(review) >= moment


def _until(name: str, text: str) -> Filter:
    moment = _moment(name, text)
    return lambda review: _updated(review) <= moment


def _one_of(field: str) -> Callable[[str, str], Filter]:
    def make(name: str, text: str) -> Filter:
        wanted = _listed(name, text)
        return lambda review: review.get(field) in wanted

    return make


def _none_of(field: str) -> Callable[[str, str], Filter]:
    def make(name: str, text: str) -> Filter:
        unwanted = _listed(name, text)
        return lambda review: review.get(field) not in unwanted

    return make


def _without_text(name: str, text: str) -> Filter:
    wanted = asks_for(name, text)
    return lambda review: (review.get("content") is None) is wanted


def _true_or_false(name: str, text: str) -> Filter:
    """Take a parameter that says what is shown of a review, not which reviews are."""
    asks_for(name, text)
    return lambda _review: True


def asks_for(name: str, text: str) -> bool:
    """Read a parameter that is true or false. Raises BadParameterError."""
    if text.lower() not in _TRUE_FALSE:
        raise BadParameterError(f"{name}: {text!a} is neither true nor false")
    return _TRUE_FALSE[text.lower()]


def _rated(name: str, text: str) -> Filter:
    wanted = _listed(name, text)
    if not wanted <= _RATINGS:
        raise BadParameterError(f"{name}: {text!a} does not list ratings from 0 to 5")
    return lambda review: review.get("partner") == "google_my_business" and str(review.get("rating")) in wanted


def _listed(name: str, text: str) -> frozenset[str]:
    values = frozenset(value.strip() for value in text.split(","))
    if not all(values):
        raise BadParameterError(f"{name}: {text!a} is not a list of values with commas between them")
    return values


_FILTERS: Mapping[str, Callable[[str, str], Filter]] = {
    "business__in": _one_of("business_id"),
    "business__notin": _none_of("business_id"),
    "partner__in": _one_of("partner"),
    "update_date__gte": _since,
    "update_date__lte": _until,
    "state": _one_of("state"),
    "content__isnull": _without_text,
    "gmb_rating__in": _rated,
    "with_media_links": _true_or_false,
}

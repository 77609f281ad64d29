"""Which reviews the API shows to the key, and how it writes them. Performs no I/O."""

from collections.abc import Iterable, Mapping
from typing import Any

from tools.simulator.api.notation import draw, write
from tools.simulator.api.options import ApiOptions, Link
from tools.simulator.api.source import TruthSource
from tools.simulator.chance import Dice, chance

Review = Mapping[str, Any]


def listed(source: TruthSource, options: ApiOptions, dice: Dice) -> Iterable[Review]:
    """Give the reviews among which one request searches."""
    reviews = source.reviews(dice.uniform(*options.lag))
    known = {review["id"] for review in source.reviews(options.listed_after)} if options.listed_after else None
    return [review for review in reviews if _is_shown(review, options) and (known is None or review["id"] in known)]


def _is_shown(review: Review, options: ApiOptions) -> bool:
    business_id, partner = review.get("business_id"), str(review.get("partner"))
    if options.businesses is not None and business_id not in options.businesses:
        return False
    if options.disconnected & {Link(partner), Link(partner, business_id)}:
        return False
    return not options.left_out or chance(options.seed, "left out", review["id"]).random() >= options.left_out


def as_shown(reviews: Iterable[Review], options: ApiOptions, dice: Dice, *, with_media: bool) -> list[Any]:
    """Write the reviews of one page as the API does."""
    forms = draw(dice) if options.mixed_notation else options.notation
    items: list[Any] = [write(_fields_of(review, options, with_media=with_media), forms) for review in reviews]
    if items and dice.random() < options.unreadable:
        spoilt = dice.randrange(len(items))
        items[spoilt] = dice.choice((None, {**items[spoilt], "id": "none"}, {**items[spoilt], "rating": float("nan")}))
    return items


def _fields_of(review: Review, options: ApiOptions, *, with_media: bool) -> Review:
    fields = {name: value for name, value in review.items() if name not in options.omitted_fields}
    if options.media_on_request and not with_media:
        fields["media_links"] = []
    return fields | {name: added(name, review) for name in options.added_fields}


def added(name: str, review: Review) -> str:
    """Give what a field that only the API writes says of a review: always the same."""
    return f"{name} of {review['id']}"

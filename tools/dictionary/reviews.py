"""Made-up reviews in the languages that Partoo's customers write, as the bodies of webhooks. Performs no I/O."""

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec

# Of each language: sentences of reviews, and of answers to them.
Sentences = Mapping[str, tuple[Sequence[str], Sequence[str]]]
# Partoo's customers are French first.
WEIGHTS = {"fr": 8, "es": 3, "it": 2, "de": 2, "en": 3, "pt": 2, "nl": 2}
_PARTNERS = {"google_my_business": 80, "facebook": 12, "tripadvisor": 8}
_STATES = ("not_treated", "treated", "pending_auto_reply", "treated_auto_reply")
_FIRST_NAMES = (
    "Marie",
    "Jean",
    "Sophie",
    "Camille",
    "María",
    "José",
    "Giulia",
    "Marco",
    "Anna",
    "Lukas",
    "Emma",
    "John",
    "João",
    "Sanne",
)
_LAST_NAMES = (
    "Martin",
    "Bernard",
    "Dubois",
    "García",
    "López",
    "Rossi",
    "Bianchi",
    "Müller",
    "Schmidt",
    "Smith",
    "Silva",
    "Santos",
)
_TAGS = ("service", "staff", "food", "prix", "accueil", "attente", "produit", "livraison", "hygiène", "ambiance")


def texts(dice: random.Random, sentences: Sequence[str], least: int, most: int) -> str:
    """Put some of the sentences together, none twice."""
    return " ".join(dice.sample(sentences, min(len(sentences), dice.randint(least, most))))


def make_review(dice: random.Random, sentences: Sentences) -> dict[str, Any]:
    """Make a review with every field that Partoo documents."""
    opinions, answers = sentences[dice.choices(tuple(WEIGHTS), tuple(WEIGHTS.values()))[0]]
    partner = dice.choices(tuple(_PARTNERS), tuple(_PARTNERS.values()))[0]
    review_id, written = (
        dice.randrange(1_000, 90_000_000),
        datetime.fromtimestamp(dice.randrange(16 * 10**8, 18 * 10**8), UTC),
    )
    place = f"accounts/{dice.randrange(10**20, 12 * 10**19 + 10**20)}/locations/{dice.randrange(10**18, 2 * 10**19)}"
    answered = dice.random() < 0.6  # noqa: PLR2004 - a share
    review: dict[str, Any] = {
        "key": f"{partner}-{review_id}",
        "org_id": dice.randrange(1, 9_999),
        "id": review_id,
        "business_id": f"{dice.getrandbits(96):024x}",
        "partner": partner,
        "partner_id": place,
        "author_name": f"{dice.choice(_FIRST_NAMES)} {dice.choice(_LAST_NAMES)}",
        "date": _iso(written),
        "update_date": _iso(written + timedelta(seconds=dice.randrange(40 * 86_400))),
        "rating": None if partner == "facebook" else dice.choice((1, 2, 3, 4, 5, 5, 5)),
        "recommended": dice.choice((True, False)) if partner == "facebook" else None,
        "title": texts(dice, opinions, 1, 1)[:40] if partner == "tripadvisor" else None,
        "content": None if dice.random() < 0.15 else texts(dice, opinions, 1, 5),  # noqa: PLR2004 - a share
        "state": "treated" if answered else "not_treated",
        "link": f"https://search.google.com/local/reviews?placeid=ChIJ{dice.getrandbits(100):x}",
        "comments": None,
        "tags": [_tag(dice) for _ in range(dice.choice((0, 0, 1, 2)))],
    }
    if answered:
        review["comments"] = _answer(dice, review, written, texts(dice, answers, 1, 4))
    return review


def _answer(dice: random.Random, review: Mapping[str, Any], written: datetime, content: str) -> dict[str, Any]:
    at = _iso(written + timedelta(seconds=dice.randrange(10 * 86_400)))
    return {
        "id": dice.randrange(1_000, 90_000_000),
        "partner_id": f"{review['partner_id']}/reviews/{review['id']}/reply",
        "created": at,
        "author_name": dice.choice(_LAST_NAMES),
        "content": content,
        "date": at,
        "update_date": at,
        "can_edit": True,
        "review_id": review["id"],
        "parent_id": None,
        "user_id": f"{dice.getrandbits(96):024x}",
        "is_reply_suggestion": False,
        "replies": [],
    }


def _tag(dice: random.Random) -> dict[str, Any]:
    return {"id": dice.randrange(1, 999), "label": dice.choice(_TAGS), "color": f"#{dice.getrandbits(24):06x}"}


def _iso(at: datetime) -> str:
    return at.astimezone(timezone(timedelta(hours=at.month % 2 + 1))).isoformat(timespec="microseconds")


def later(dice: random.Random, review: Mapping[str, Any], sentences: Sentences) -> dict[str, Any]:
    """Make what a review becomes: edited, rated otherwise, answered, marked or deleted."""
    other = make_review(dice, sentences)
    fields = dice.choice((("content", "rating"), ("rating",), ("comments", "state"), ("tags",), ("state",), ()))
    after = {**review, **{name: other[name] for name in fields}, "update_date": other["update_date"]}
    if not fields:
        after |= {"state": "deleted", "delete_date": other["date"]}
    elif fields == ("state",):
        after["state"] = dice.choice(_STATES)
    return after


def make_body(review: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode({"type": "review_updated", "payload": {"review": review}})

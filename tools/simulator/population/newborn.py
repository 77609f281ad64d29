"""A review as its author has just written it, with every field that Partoo documents. Performs no I/O."""

from typing import Any

from tools.simulator.chance import Dice, chance
from tools.simulator.population.events import iso
from tools.simulator.population.options import Population

PARTNERS = {"google_my_business": 80, "facebook": 12, "tripadvisor": 8}
FIRST_ID = 1000
TEXTS = (
    "Magasin un peu vieillot, mais personnel très sympathique ❤️",
    "Accueil chaleureux, je recommande.",
    "Trop d'attente à la caisse, dommage.",
    "Sehr freundlich beraten, gerne wieder!",
    "Great coffee, slow service ☕",
    "Ottimo rapporto qualità-prezzo, ci torneremo.",
    "店员很热情 会再来的 👍",
)
_AUTHORS = ("Castorche", "Élodie", "Jürgen W.", "Zoë", "王芳", "Marie-Ange d'Aubigné", "J. Smith")
# The share of reviews to which Partoo gives an update date at once.
_DATED_AT_ONCE = 0.8
_WITHOUT_TEXT = 0.1


def business_id(business: int) -> str:
    return f"5409c35a97bbc544d8{business:06x}"


def newborn(dice: Dice, number: int, business: int, at: float, population: Population) -> dict[str, Any]:
    """Make the review with this number, written at `at`; some have photos, or fields that nobody documented."""
    partner = dice.choices(tuple(PARTNERS), tuple(PARTNERS.values()))[0]
    review_id = FIRST_ID + number
    review = {
        "key": f"{partner}-{review_id}",
        "org_id": 42,
        "id": review_id,
        "business_id": business_id(business),
        "partner": partner,
        "partner_id": f"accounts/114063712393225091258/locations/{74805271119400652000 + business}",
        "author_name": dice.choice(_AUTHORS),
        "date": iso(at),
        "update_date": iso(at) if dice.random() < _DATED_AT_ONCE else None,
        "rating": None if partner == "facebook" else dice.randint(1, 5),
        "recommended": dice.random() < 0.5 if partner == "facebook" else None,  # noqa: PLR2004 - a coin
        "title": "Une visite" if partner == "tripadvisor" else None,
        "content": None if dice.random() < _WITHOUT_TEXT else dice.choice(TEXTS),
        "state": "not_treated",
        "link": f"https://search.google.com/local/reviews?review={review_id}",
        "comments": None,
        "tags": [],
    }
    # Drawn in any case: such fields must not move what else the dice give.
    unknown, score = dice.random(), round(dice.uniform(-1, 1), 3)
    if unknown < population.unknown_fields:
        review["sentiment"] = {"score": score, "model": None, "big": 2**60 + number}
    if chance("photos", review_id).random() < population.photos:
        review["media_links"] = [f"https://example.org/photos/{review_id}/{n}.jpg" for n in (1, 2)]
    return review

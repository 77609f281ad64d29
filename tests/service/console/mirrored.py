"""Reviews, incidents, dead letters and endpoints for the pages to show."""

from dataclasses import dataclass

from mirror.domain.changes import Source
from mirror.domain.dead_letters import DeadLetter
from mirror.domain.feed import BEGINNING
from mirror.domain.inbox import make_delivery_id
from mirror.domain.outgoing import Answer, Endpoint, Secret
from mirror.storage import dead_letters, endpoints, keys, ratings
from mirror.storage.store import Store
from tests.service.support import apply
from tests.support import make_body, make_deletion, make_review

DAY = 86_400_000
HOUR = 3_600_000
BUSINESS = "5409c35a97bbc544d8e26737"
# What must never act: in an element, an attribute, a URL, a comment, or by turning the text around it.
HOSTILE = (
    '</td></table><script>alert(1)</script>"\' onmouseover="alert(1)" <img src=x onerror=alert(1)> <!-- '
    "{{ 7*7 }} javascript:alert(1) \u202egnp.exe\u202c \u2066x \0 \x1b[31m &lt;b&gt; 🙂"
)


@dataclass(frozen=True)
class Mirrored:
    """`now` is in ms since 1970 UTC; reviews 1 to 40 vanished together, of which 1 to 16 are back."""

    now: int
    letter_id: str
    endpoint_id: str = "ep-1"
    story_id: int = 34_000
    hostile_id: int = 666


async def fill(store: Store) -> Mirrored:
    """Fill a mirror with all that the console shows: the times lie in the last two days."""
    now = await store.now()
    await _incident(store, now)
    await _story(store, now)
    hostile = dict.fromkeys(("author_name", "title", "content", "partner", "business_id"), HOSTILE)
    odd = hostile | {HOSTILE: HOSTILE, "tags": [{"id": 1, "label": HOSTILE}, HOSTILE], "rating": HOSTILE}
    await apply(store, (666, now - 2 * HOUR, make_body(make_review(666, **odd))))
    edited = odd | {"content": "x" * 10_000, "update_date": "2026-09-04T10:00:00Z"}
    await apply(store, (666, now - HOUR, make_body(make_review(666, **edited))))
    letter_id = make_delivery_id(now - HOUR, 7)
    letter = DeadLetter(
        letter_id, now - HOUR, "no_review_id", f"it has no id {HOSTILE}", HOSTILE.encode(), Source.WEBHOOK, 34_000
    )
    await dead_letters.keep(store, letter)
    await _endpoint(store, now)
    while not await ratings.catch_up(store, 10):
        pass
    return Mirrored(now, letter_id)


async def _incident(store: Store, now: int) -> None:
    reviews = {number: make_review(number, rating=1 + number % 5) for number in range(1, 61)}
    await apply(store, *((number, now - 2 * DAY, make_body(review)) for number, review in reviews.items()))
    gone = "2100-01-01T00:00:00Z"
    vanishing = [(number, now - 5 * HOUR, make_body(make_deletion(reviews[number], gone))) for number in range(1, 41)]
    await apply(store, *vanishing)
    await apply(store, *((number, now - 3 * HOUR, make_body(reviews[number])) for number in range(1, 17)))


async def _story(store: Store, now: int) -> None:
    first = make_review(34_000, business_id="shop", content="The coffee was good and the staff was friendly.")
    second = first | {
        "content": "The coffee was cold and the staff was friendly.",
        "rating": 1,
        "update_date": "2025-10-04T10:00:00Z",
        "tags": [{"id": 25, "label": "food"}],
    }
    times = (now - 2 * DAY, now - DAY, now - 20 * HOUR, now - HOUR)
    bodies = (first, second, make_deletion(second, "2100-01-01T00:00:00Z"), second)
    await apply(store, *((34_000, at, make_body(body)) for at, body in zip(times, bodies, strict=True)))

    # A return so quick that it may be a late copy.
    third = make_review(700, business_id="shop", update_date="2025-11-04T10:00:00Z")
    quick = (third, make_deletion(third, "2100-01-01T00:00:00Z"), third)
    await apply(store, *((700, now - HOUR + number, make_body(body)) for number, body in enumerate(quick)))


async def _endpoint(store: Store, now: int) -> None:
    endpoint = Endpoint(
        id="ep-1", url="https://example.org/hook", secrets=(Secret("whsec_a-secret"),), created_at=now - DAY
    )
    await endpoints.add(store, endpoint, BEGINNING)
    answer = Answer(at=now - HOUR, event="34000-2", status=503, took=12)
    await store.redis.execute_command("LPUSH", keys.endpoint("ep-1", "answers"), endpoints.encode_answer(answer))
    await store.redis.execute_command("HSET", keys.endpoint("ep-1", "facts"), "failing_since", str(now - HOUR))

"""Each page, with data and empty; and that what a review says stays text."""

import re
from html.parser import HTMLParser

import pytest

from mirror.storage import keys
from mirror.storage.store import Store
from tests.service.conftest import Log
from tests.service.console.conftest import Visitor, words
from tests.service.console.mirrored import BUSINESS, Mirrored
from tests.service.support import apply
from tests.support import make_body, make_review

EMPTY = {
    "/console": "Nothing has been mirrored yet",
    "/console/reviews": "No review is mirrored yet",
    "/console/reviews?status=gone": "No review matches",
    "/console/businesses": "No review has vanished so far",
    "/console/business?business_id=none": "There are no ratings of this business",
    "/console/incidents": "There has been none. One opens when at least 20 reviews, and 1.0 % of those live",
    "/console/dead-letters": "Every delivery that was accepted could be read",
    "/console/endpoints": "There are none. Add one with python -m mirror endpoints add",
    "/console/doctor": "Checks what the mirror needs",
    "/console/doctor?run=1": "start one: python -m worker",
}


@pytest.mark.parametrize(("path", "told"), EMPTY.items())
async def test_an_empty_page_says_what_to_do_next(visitor: Visitor, path: str, told: str) -> None:
    assert told in words(await visitor.page(path))


async def test_the_overview_tells_of_problems_first(visitor: Visitor, mirrored: Mirrored) -> None:
    page = words(await visitor.page("/console"))
    problems, _, rest = page.partition("What there is")
    for told in (
        "no worker is alive",
        f"Incident: 40 reviews of business {BUSINESS} vanished together; 16 are back (40 %), 24 still missing.",
        "Endpoint ep-1 has been failing",
        "1 dead letter",
    ):
        assert told in problems
    assert "What happened last" in rest
    assert f"review {mirrored.hostile_id}" in rest


async def test_every_number_of_the_overview_leads_to_what_it_counts(visitor: Visitor, mirrored: Mirrored) -> None:
    page = await visitor.page("/console")
    for status, count in (("live", 39), ("missing", 24), ("gone", 0)):
        assert f'href="/console/reviews?status={status}">{count}<' in page
        if count:
            assert f"{count} reviews" in words(await visitor.page(f"/console/reviews?status={status}"))
    assert mirrored.letter_id in await visitor.page("/console/dead-letters")


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("business_id=shop", [700, 34_000]),
        ("partner=google_my_business&status=missing&business_id=" + BUSINESS, [*range(17, 41)]),
        ("certainty=ambiguous", [700]),
        ("status=live&certainty=ambiguous&business_id=shop", [700]),
        ("status=gone", []),
    ],
)
@pytest.mark.usefixtures("mirrored")
async def test_reviews_are_searched(visitor: Visitor, query: str, ids: list[int]) -> None:
    page = await visitor.page(f"/console/reviews?{query}")
    found = [int(one) for one in re.findall(r'<th scope="row"><a href="/console/reviews/(\d+)"', page)]
    assert found == ids


async def test_an_id_leads_to_its_review(visitor: Visitor) -> None:
    answer = await visitor.get("/console/reviews?id=34")
    assert (answer.status, answer.headers["Location"]) == (303, "/console/reviews/34")


@pytest.mark.usefixtures("mirrored")
async def test_a_list_goes_on_page_by_page(visitor: Visitor) -> None:
    path, ids = "/console/reviews", []
    while path:
        page = await visitor.page(path)
        ids += [int(one) for one in re.findall(r'<th scope="row"><a href="/console/reviews/(\d+)"', page)]
        following = re.search(r'href="([^"]*)" rel="next"', page)
        path = following[1].replace("&amp;", "&") if following else ""
    assert ids == [*range(1, 61), 666, 700, 34_000]


async def test_a_review_s_story_tells_what_changed_from_what_to_what_and_why(
    visitor: Visitor, mirrored: Mirrored
) -> None:
    page = await visitor.page(f"/console/reviews/{mirrored.story_id}")
    told = words(page)
    assert "The coffee was <del>good</del><ins>cold</ins> and the staff was friendly." in page
    assert "<del>" in page
    assert "Reappeared, missing for 19 h, as it was before" in told
    assert (
        "a quick return, or a late copy of that delivery" in told
        or "no clock" in told
        or "cannot be a late copy" in told
    )
    assert "food" in told
    assert "Not live for 19 h in all: missing for 19 h from" in page
    assert len(re.findall(r'<rect class="(\w+)"', page)) == 3
    assert page.count("delivery_id ") == 4
    assert "A dead letter may be about it" in told


async def test_a_review_is_shown_as_it_was(visitor: Visitor, mirrored: Mirrored) -> None:
    page = await visitor.page(f"/console/reviews/{mirrored.story_id}")
    links = re.findall(r'href="(/console/reviews/34000\?at=[^"]*)"', page)
    then = words(await visitor.page(links[-1]))
    assert "As it was at" in then
    assert "The coffee was good and the staff was friendly." in then.partition("What changed")[0]
    early = await visitor.page(f"/console/reviews/{mirrored.story_id}?at=2020-01-01", 404)
    assert "was not mirrored yet" in early
    assert "write a time in UTC" in await visitor.page(f"/console/reviews/{mirrored.story_id}?at=yesterday", 400)


@pytest.mark.parametrize("review_id", ["99", "9223372036854775807"])
async def test_an_unknown_review_says_what_to_do(visitor: Visitor, review_id: str) -> None:
    assert "python -m mirror reconcile" in words(await visitor.page(f"/console/reviews/{review_id}", 404))


@pytest.mark.parametrize(
    "path", ["reviews/abc", "reviews/-1", "reviews/99999999999999999999", "reviews?after=x", "nothing"]
)
async def test_what_cannot_be_read_of_an_address_is_a_page_too(visitor: Visitor, path: str) -> None:
    answer = await visitor.get(f"/console/{path}")
    assert answer.status in (400, 404)
    assert "Back to the overview" in words(await answer.text())


async def test_a_long_history_is_shown_in_pages(visitor: Visitor, store: Store) -> None:
    now = await store.now()
    bodies = [
        (
            7,
            now - (300 - step) * 60_000,
            make_body(
                make_review(7, title=f"title {step}", update_date=f"2025-09-05T00:{step % 60:02d}:{step // 60:02d}Z")
            ),
        )
        for step in range(60)
    ]
    await apply(store, *bodies)
    path, versions = "/console/reviews/7", []
    while path:
        page = await visitor.page(path)
        versions += [int(one) for one in re.findall(r'<li id="v(\d+)"', page)]
        following = re.search(r'href="([^"]*)" rel="next"', page)
        path = following[1].partition("#")[0] if following else ""
    assert versions == [*range(versions[0], 0, -1)]
    assert versions[0] > 40


@pytest.mark.usefixtures("mirrored")
async def test_a_business_shows_that_the_true_rating_has_not_moved(visitor: Visitor) -> None:
    page = await visitor.page(f"/console/business?business_id={BUSINESS}&range=24h")
    told = words(page)
    assert "shown now, by 36 ratings" in told
    assert "60 ratings" in told
    assert page.count("<svg") == 2
    assert '<rect class="band"' in page
    assert "24 are still missing" in told
    links = [
        link.replace("&amp;", "&")
        for link in re.findall(r'href="(/console/business/changes[^"]*)" aria-label="what', page)
    ]
    assert len(links) == 26
    changed = [re.findall(r'href="/console/reviews/(\d+)"', await visitor.page(link)) for link in links]
    assert sorted(map(len, changed))[-2:] == [16, 40]


@pytest.mark.usefixtures("mirrored")
async def test_incidents_are_listed_with_what_came_back(visitor: Visitor) -> None:
    page = words(await visitor.page("/console/incidents"))
    assert f"business {BUSINESS}" in page
    assert "16 (40 %)" in page


async def test_dead_letters_and_endpoints_are_listed_and_shown(visitor: Visitor, mirrored: Mirrored) -> None:
    assert "no_review_id" in words(await visitor.page("/console/dead-letters"))
    assert "onerror=alert(1)" in words(await visitor.page(f"/console/dead-letters/{mirrored.letter_id}"))
    assert "failing since" in words(await visitor.page("/console/endpoints"))
    page = await visitor.page("/console/endpoints/ep-1")
    assert "503" in words(page)
    assert "whsec_" not in page
    for path in ("/console/dead-letters/" + "0" * 24, "/console/dead-letters/x", "/console/endpoints/none"):
        await visitor.page(path, 404)


PAGES = (
    "/console",
    "/console/reviews",
    "/console/reviews/666",
    "/console/reviews/34000",
    "/console/businesses",
    f"/console/business?business_id={BUSINESS}",
    "/console/incidents",
    "/console/dead-letters",
    "/console/endpoints",
    "/console/endpoints/ep-1",
    "/console/doctor?run=1",
)


class Markup(HTMLParser):
    """Collects what a browser would act on, and checks that each element is closed by its own end."""

    VOID = frozenset({"meta", "link", "input", "br", "line", "circle", "rect", "polyline", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.urls: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.urls |= {value or "" for name, value in attrs if name in {"href", "src", "action"}}
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.mark.usefixtures("mirrored")
@pytest.mark.parametrize("path", PAGES)
async def test_what_a_review_says_is_text_and_never_markup(visitor: Visitor, path: str) -> None:
    page = await visitor.page(path)
    markup = Markup()
    markup.feed(page)
    assert markup.open == []
    assert not markup.tags & {"script", "img", "iframe", "object", "style", "b"}
    assert not [name for name in markup.attributes if name.startswith("on") or name == "style"]
    assert all(re.match(r"/console|#", url) for url in markup.urls), markup.urls
    assert "&lt;!-- 49" not in page
    for character in "\u202e\u2066\0\x1b":
        assert character not in page


@pytest.mark.usefixtures("mirrored")
async def test_marks_that_turn_the_direction_are_shown_by_their_numbers(visitor: Visitor) -> None:
    assert "⟨U+202E⟩gnp.exe" in await visitor.page("/console/reviews/666")


async def test_who_is_shown_personal_data_stands_in_the_log(log: Log, visitor: Visitor, mirrored: Mirrored) -> None:
    for path in ("reviews?business_id=shop", f"reviews/{mirrored.story_id}", f"dead-letters/{mirrored.letter_id}"):
        await visitor.page(f"/console/{path}")
    for path in ("reviews/99", "endpoints", "reviews?business_id=none"):
        await visitor.get(f"/console/{path}")
    lines = log.lines(lambda line: line["event"] == "api.read")
    assert [(line["token"], line["route"], line["reviews"]) for line in lines] == [
        ("token", "/console/reviews", 2),
        ("token", "/console/reviews/{id}", 1),
        ("token", "/console/dead-letters/{id}", 1),
    ]
    assert (lines[0]["business_id"], lines[1]["review_id"]) == ("shop", mirrored.story_id)
    assert "coffee" not in log.text


async def test_a_record_that_cannot_be_read_is_a_page_that_says_so(
    visitor: Visitor, mirrored: Mirrored, store: Store
) -> None:
    await store.redis.set(keys.record(mirrored.story_id), b"garbage")
    assert "cannot be read" in words(await visitor.page(f"/console/reviews/{mirrored.story_id}", 500))
    assert "Left out:" in words(await visitor.page("/console/reviews?business_id=shop"))


@pytest.mark.usefixtures("mirrored")
@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_built_for_keyboards_and_screen_readers(visitor: Visitor, path: str) -> None:
    page = await visitor.page(path)
    assert page.count("<h1") == 1
    assert '<html lang="en">' in page
    assert '<a class="skip" href="#main">' in page
    assert '<main id="main"' in page
    assert page.count("<svg") == len(re.findall(r"<svg[^>]* aria-label=", page))
    assert page.count("<input") == len(re.findall(r'<input type="hidden"|<label for', page)) - page.count("<select")
    assert not re.search(r"<th(?! scope)[ >]", page)

"""The console in a real browser, Debian's chromium: what a person sees, at 360 and 1280 px, in light and dark."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright

from mirror.storage import dead_letters, endpoints
from mirror.storage.store import Store
from tests.conftest import StartService
from tests.programs import program
from tests.service.console.mirrored import BUSINESS, Mirrored
from tests.support import API_TOKEN, Client

pytestmark = pytest.mark.process

SIZES = {"phone": (360, 740), "desk": (1280, 900)}
PAGES = (
    "/console",
    "/console/reviews",
    "/console/reviews?status=missing",
    "/console/reviews/34000",
    "/console/reviews/666",
    "/console/reviews/99",
    "/console/businesses",
    f"/console/business?business_id={BUSINESS}&range=24h",
    "/console/business?business_id=none",
    "/console/incidents",
    "/console/dead-letters",
    "/console/endpoints",
    "/console/endpoints/ep-1",
    "/console/doctor",
    "/console/doctor?run=1",
    "/console/actions/pause-endpoint?id=ep-1",
    "/console/nothing",
)


class Visitor:
    """A browser's page that notes every request and everything that goes wrong."""

    def __init__(self, page: Page, root: str) -> None:
        self.page = page
        self.root = root
        self.foreign: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self._requested(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)

    def _requested(self, url: str) -> None:
        if urlsplit(url).netloc != urlsplit(self.root).netloc:
            self.foreign.append(url)

    async def open(self, path: str) -> int:
        answer = await self.page.goto(self.root + path)
        assert answer is not None
        # A status that is an error is a line in the browser's console, and meant.
        self.complaints = [one for one in self.complaints if "Failed to load resource" not in one]
        return answer.status

    async def log_in(self, token: str = API_TOKEN) -> None:
        await self.open("/console/login")
        await self.page.get_by_label("API token").fill(token)
        await self.page.get_by_role("button", name="Log in").click()

    async def click(self, name: str, role: str = "link") -> None:
        """Click what a person would: by its role and its words."""
        await self.page.get_by_role(role, name=name).first.click()  # type: ignore[arg-type]

    @property
    def path(self) -> str:
        return self.page.url.removeprefix(self.root)

    async def heading(self) -> str:
        return await self.page.get_by_role("heading", level=1).inner_text()


Open = Callable[..., Awaitable[Visitor]]


@asynccontextmanager
async def _browser() -> AsyncIterator[Browser]:
    path = program("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


@pytest.fixture
async def visit(service: Client) -> AsyncIterator[Open]:
    """Open a browser's page on the console; at the end nothing may have gone wrong in it."""
    visitors: list[Visitor] = []
    async with _browser() as browser:

        async def visit(size: str = "desk", *, dark: bool = False, scripts: bool = True) -> Visitor:
            width, height = SIZES[size]
            context = await browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if dark else "light",
                java_script_enabled=scripts,
            )
            visitor = Visitor(await context.new_page(), str(service.make_url("/")).rstrip("/"))
            visitors.append(visitor)
            return visitor

        yield visit
        for visitor in visitors:
            assert visitor.foreign == []
            assert visitor.complaints == []


async def test_login_with_a_wrong_and_with_the_right_token(visit: Open) -> None:
    visitor = await visit()
    await visitor.open("/")
    assert await visitor.heading() == "Log in"
    await visitor.log_in("wrong")
    assert "none of the tokens" in await visitor.page.get_by_role("alert").inner_text()
    visitor.complaints.clear()  # the 401, which is meant
    await visitor.log_in()
    assert (visitor.path, await visitor.heading()) == ("/console", "Overview")
    (cookie,) = await visitor.page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    await visitor.click("Log out", "button")
    assert await visitor.heading() == "Log in"
    await visitor.open("/console/reviews")
    assert await visitor.heading() == "Log in"


async def test_a_session_ends_when_its_token_is_withdrawn(start_service: StartService) -> None:
    first = await start_service(API_TOKEN=f"{API_TOKEN},another-token")
    second = await start_service(API_TOKEN=API_TOKEN)
    async with _browser() as browser:
        page = await browser.new_page()
        visitor = Visitor(page, str(first.make_url("/")).rstrip("/"))
        await visitor.log_in("another-token")
        assert await visitor.heading() == "Overview"
        # The same host with another port: a browser sends the same cookie.
        visitor.root = str(second.make_url("/")).rstrip("/")
        await visitor.open("/console")
        assert await visitor.heading() == "Log in"


@pytest.mark.parametrize(("size", "dark"), [("phone", False), ("desk", True)], ids=["phone, light", "desk, dark"])
@pytest.mark.usefixtures("mirrored")
async def test_every_page_is_accessible_and_fits_the_screen(visit: Open, size: str, *, dark: bool) -> None:
    visitor = await visit(size, dark=dark)
    assert await violations(visitor, "/console/login") == []
    await visitor.log_in()
    for path in PAGES:
        assert await violations(visitor, path) == [], path
        assert await overflow(visitor.page) <= 0, path


async def test_every_empty_page_is_accessible_too(visit: Open) -> None:
    visitor = await visit("phone", dark=True)
    await visitor.log_in()
    for path in PAGES:
        assert await violations(visitor, path) == [], path
        assert await overflow(visitor.page) <= 0, path


async def violations(visitor: Visitor, path: str) -> list[str]:
    await visitor.open(path)
    results = await Axe().run(visitor.page)
    return [f"{one['id']}: {[node['html'] for node in one['nodes']]}" for one in results.response["violations"]]


async def overflow(page: Page) -> int:
    """Give by how many pixels a page is wider than the screen."""
    found: int = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return found


@pytest.mark.usefixtures("mirrored")
async def test_three_clicks_lead_from_the_login_to_what_an_incident_means(visit: Open) -> None:
    visitor = await visit(scripts=False)
    await visitor.log_in()
    assert "40 reviews" in await visitor.page.get_by_role("list", name="What needs you").inner_text()
    await visitor.click("Its rating")
    told = await visitor.page.get_by_role("main").inner_text()
    assert "16 are back (40 %)" in told
    assert "shown now, by 36 ratings" in told
    assert "60 ratings" in told
    await visitor.click("24 are still missing")
    assert "24 reviews" in await visitor.page.get_by_role("main").inner_text()


async def test_each_action_is_done_without_scripts_and_back_does_not_do_it_again(
    visit: Open, mirrored: Mirrored, store: Store
) -> None:
    visitor = await visit(scripts=False)
    await visitor.log_in()
    await visitor.open("/console/endpoints/ep-1")
    for button, state in (("Pause", "paused"), ("Resume", "active")):
        await visitor.click(f"{button} …")
        await visitor.click(button, "button")
        assert f"is {state}" in await visitor.page.get_by_role("status").inner_text()
        assert (await endpoints.get(store, "ep-1")).state == state
    await visitor.page.get_by_label("Send again").fill("2100-01-01")
    await visitor.click("Replay …", "button")
    await visitor.click("Send again", "button")
    assert "is sent again" in await visitor.page.get_by_role("status").inner_text()
    await visitor.open("/console/dead-letters")
    await visitor.click("Retry it …")
    await visitor.click("Retry", "button")
    assert f"{mirrored.letter_id} stays" in await visitor.page.get_by_role("status").inner_text()
    await visitor.click("Drop …")
    await visitor.click("Leave it")
    assert await dead_letters.count(store) == 1
    await visitor.click("Drop …")
    await visitor.click("Drop", "button")
    assert await dead_letters.count(store) == 0
    await visitor.page.go_back()
    await visitor.page.go_forward()
    assert visitor.path == "/console/dead-letters"
    await visitor.open("/console/actions/reconcile")
    assert await visitor.heading() == "Partoo cannot be asked"


@pytest.mark.usefixtures("mirrored")
async def test_what_a_review_says_does_nothing(visit: Open) -> None:
    visitor = await visit()
    dialogs: list[str] = []
    visitor.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    await visitor.log_in()
    for path in (
        "/console",
        "/console/reviews",
        "/console/reviews/666",
        "/console/businesses",
        "/console/dead-letters",
    ):
        await visitor.open(path)
        for one in await visitor.page.locator("summary").all():
            await one.click()
        assert await visitor.page.locator("main script, main img, main [onmouseover], main [onerror]").count() == 0
        assert await overflow(visitor.page) <= 0
    assert dialogs == []


@pytest.mark.usefixtures("mirrored")
async def test_the_keyboard_reaches_everything_beginning_with_the_way_to_the_content(visit: Open) -> None:
    visitor = await visit()
    await visitor.log_in()
    await visitor.open("/console/reviews")
    await visitor.page.keyboard.press("Tab")
    assert await visitor.page.evaluate("document.activeElement.textContent") == "Skip to the content"
    await visitor.page.keyboard.press("Enter")
    assert await visitor.page.evaluate("document.activeElement.id") == "main"
    await visitor.page.keyboard.press("Tab")
    assert await visitor.page.evaluate("document.activeElement.id") == "id"
    assert await visitor.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    await visitor.page.keyboard.type("34000")
    await visitor.page.keyboard.press("Enter")
    await visitor.page.wait_for_url("**/console/reviews/34000")
    assert await visitor.heading() == "Review 34000"


@pytest.mark.usefixtures("mirrored")
async def test_a_point_of_the_chart_leads_to_the_reviews_behind_it(visit: Open) -> None:
    visitor = await visit()
    await visitor.log_in()
    await visitor.open(f"/console/business?business_id={BUSINESS}&range=24h")
    await visitor.page.locator("svg a").nth(20).click()
    assert (await visitor.heading()).startswith("What changed at")

"""`make screenshots`: pictures of the console for the documents, of made-up reviews with an incident."""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Page, async_playwright

from mirror.settings import load
from mirror.storage.connection import connect
from mirror.storage.store import Store
from tools.dev import incident
from tools.dev.keys import public_key_line
from tools.dev.stack import Stack, StackError, free_port, running

IMAGES = Path("docs/images")
TOKEN = "a-token-for-pictures"  # noqa: S105 - of a stack that lives for a minute
WIDTH = 1000
# Each picture with its height in pixels and its page.
PICTURES = (
    ("overview", 640, "/console"),
    ("business", 1270, f"/console/business?business_id={incident.SHOP}"),
    ("story", 1120, f"/console/reviews/{incident.STORY}"),
)


def main() -> int:
    browser = shutil.which("chromium")
    if browser is None:
        sys.stderr.write("make screenshots: there is no chromium: sh tools/dev/ci-tools.sh brings it\n")
        return 1
    with tempfile.TemporaryDirectory(prefix="reviewmirror-pictures-") as folder:
        log_file = Path(folder) / "log"
        variables = {"PARTOO_PUBLIC_KEYS": public_key_line(Path(folder) / "key"), "API_TOKEN": TOKEN}
        with log_file.open("wb") as log:
            try:
                with running(Path(folder), free_port(), variables, log) as stack:
                    asyncio.run(_take(stack, browser))
            except StackError as error:
                sys.stderr.write(f"make screenshots: {error}\nThe log:\n{log_file.read_text()}")
                return 1
    return 0


async def _take(stack: Stack, browser_path: str) -> None:
    settings = load(stack.environment)
    store = Store(connect(settings, stack.environment["REDIS_URL"]))
    try:
        await incident.fill(store)
    finally:
        await store.close()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = await browser.new_page()
        await page.goto(f"{stack.url}/console")
        await page.get_by_label("API token").fill(TOKEN)
        await page.get_by_role("button", name="Log in").click()
        for name, height, path in PICTURES:
            await page.set_viewport_size({"width": WIDTH, "height": height})
            await _picture(page, f"{stack.url}{path}", IMAGES / f"{name}.png")
        await browser.close()


async def _picture(page: Page, url: str, file: Path) -> None:
    await page.goto(url)
    file.parent.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=file)
    sys.stdout.write(f"{file}\n")

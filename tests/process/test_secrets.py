"""No secret in anything that the running stack prints, answers, shows or is called with, whatever goes wrong."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
import redis

from mirror.storage import keys
from tests.process import processes
from tests.process.processes import Process, RedisServer
from tests.support import make_body, make_deletion, make_review, signed, wait_until

SECRET, KEY, PASSWORD = "webhook-5ecret-9fa91de19", "partoo-key-77c1b2", "redis-pa55word-4e1d"
POSTGRES_PASSWORD = "postgres-pa55word-2b9c"
TOKENS = ("reader-t0ken-one-6ab3", "reader-t0ken-two-93fe")
# What strangers send belongs into no log either: it may be the right secret with a slip of the pen.
GUESSES = ("guessed-t0ken-0815", "guessed-5ecret-0816", "guessed-pa55word-0817")
SIGNATURE = signed(make_body(make_review()))["X-Partoo-Signature-v1"]
NAMED, ALERTS = "named-t0ken-5d1e", "alert-5ecret-e77a"
OURS = (SECRET, NAMED, ALERTS, KEY, PASSWORD, POSTGRES_PASSWORD, *TOKENS)
NEVER = (*OURS, *GUESSES, SIGNATURE[:30], "Castorche", "vieillot")

VARIABLES = {
    "PARTOO_WEBHOOK_SECRET": SECRET,
    "API_TOKEN": ",".join([*TOKENS, f"reader:read:{NAMED}"]),
    "ALERT_WEBHOOK_URL": f"http://127.0.0.1:1/{ALERTS}",
    "PARTOO_API_KEY": KEY,
    "PARTOO_API_URL": "http://127.0.0.1:1/v2",
    "VERIFICATION_DELAY": "0s",
    "LOG_LEVEL": "debug",
    "REDIS_MAX_CONNECTIONS": "3",
    "DATABASE_URL": f"postgresql://sink:{POSTGRES_PASSWORD}@127.0.0.1:1/away",
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that asks for a password."""
    with processes.redis_server(tmp_path) as server:
        client = server.client()
        client.config_set("requirepass", PASSWORD)
        client.close()
        server.url = f"redis://:{PASSWORD}@127.0.0.1:{server.port}"
        yield server


class Heard:
    """Everything that was answered and printed."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, str]] = []

    def hear(self, where: str, text: str) -> None:
        self.texts.append((where, text))

    def run(self, *arguments: str, **variables: str) -> int:
        environ = {**processes.environment("", **VARIABLES), **variables}
        done = subprocess.run(
            [sys.executable, "-m", *arguments], env=environ, capture_output=True, text=True, check=False, timeout=20
        )
        self.hear(f"{arguments} with {sorted(variables)}", done.stdout + done.stderr)
        return done.returncode

    async def ask(self, session: aiohttp.ClientSession, method: str, url: str, **options: object) -> int:
        async with session.request(method, url, **options) as answer:  # type: ignore[arg-type]
            self.hear(f"{method} {url} {options} {answer.status}", f"{answer.headers}\n{await answer.text()}")
            return answer.status

    async def send(self, url: str, request: str) -> None:
        port = int(url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request.encode())
        async with asyncio.timeout(5):
            self.hear(request, (await reader.read()).decode())
        writer.close()

    def found(self) -> list[tuple[str, str]]:
        return [(secret, where) for where, text in self.texts for secret in NEVER if secret in text]


def command_lines(process: Process) -> str:
    return Path(f"/proc/{process.pid}/cmdline").read_text() + Path(f"/proc/{process.pid}/comm").read_text()


async def go_wrong(heard: Heard, url: str) -> None:
    """Ask for what is refused, and for what is not, with the right secrets and with wrong ones."""
    body = make_body(make_review())
    webhook, read = f"{url}/webhooks/partoo", {"Authorization": f"Bearer {TOKENS[1]}"}
    async with aiohttp.ClientSession(raise_for_status=False) as session:
        for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", f"/{SECRET}", f"/reviews?token={TOKENS[0]}"):
            await heard.ask(session, "GET", url + path)
        for path in (f"/{SECRET}", f"?key={SECRET}", f"/{GUESSES[1]}", f"?key={GUESSES[1]}", f"/{SECRET}/more"):
            await heard.ask(session, "POST", webhook + path, data=body, headers=signed(body))
            await heard.ask(session, "POST", webhook + path, data=body)
            await heard.ask(session, "PUT", webhook + path, data=body)
        for given in (SECRET, GUESSES[1]):
            await heard.ask(
                session, "POST", webhook, data=body + b" ", headers=signed(body) | {"X-Webhook-Secret": given}
            )
        for token in (*TOKENS, GUESSES[0]):
            await heard.ask(session, "GET", f"{url}/reviews/35", headers={"Authorization": f"Bearer {token}"})
        for path in ("/reviews/34/changes?limit=x", "/reviews/36"):
            await heard.ask(session, "GET", url + path, headers=read)
    for line in (f"Authorization: Bearer {TOKENS[0]}\0", f"X-Webhook-Secret : {SECRET}", f"{SECRET}"):
        await heard.send(url, f"GET /webhooks/partoo/{SECRET} HTTP/1.1\r\nHost: localhost\r\n{line}\r\n\r\n")
    await heard.send(url, f"GET /webhooks/partoo/{SECRET}\x7f HTTP/1.1\r\n\r\n")
    await heard.send(url, f"{TOKENS[0]} {SECRET} {PASSWORD}\r\n\r\n")


async def ask_in_vain(heard: Heard, url: str) -> None:
    """Send what puts the mirror in doubt, so that it asks a Partoo that is not there."""
    review = make_review(37)
    async with aiohttp.ClientSession() as session:
        for body in map(make_body, (review, make_deletion(review), review)):
            await heard.ask(session, "POST", f"{url}/webhooks/partoo/{SECRET}", data=body, headers=signed(body))


async def test_no_secret_stands_in_anything_that_is_printed_answered_or_shown(
    server: RedisServer, tmp_path: Path
) -> None:
    heard = Heard()
    with (
        processes.service(server.url, tmp_path / "web", **VARIABLES) as (web, url),
        processes.worker(server.url, tmp_path / "worker", **VARIABLES) as worker,
    ):
        client = redis.Redis.from_url(server.url)
        client.set(keys.record(36), make_body(make_review(36)))
        await go_wrong(heard, url)
        await ask_in_vain(heard, url)
        worker.wait_for("verification.failed")

        async def is_applied() -> bool:
            return bool(client.exists(keys.record(34)))

        await wait_until(is_applied)
        client.close()
        for command in (("status",), ("doctor", "--json"), ("trace", "36")):
            heard.run("mirror", *command, REDIS_URL=server.url)
        wrong = server.url.replace(PASSWORD, GUESSES[2])
        assert heard.run("mirror", "status", REDIS_URL=wrong) == 1
        server.kill()
        await go_wrong(heard, url)
        worker.wait_for("worker.restarting")
        assert heard.run("mirror", "doctor", REDIS_URL=server.url) == 1
        for process in (web, worker):
            heard.hear(f"command line of {process.pid}", command_lines(process))
    assert heard.run("worker", REDIS_URL=f"{server.url}/{PASSWORD}", API_TOKEN=f"{TOKENS[0]} {TOKENS[1]}") == 2
    for process in (web, worker):
        heard.hear(f"log of {process.pid}", process.output())
    assert len(heard.texts) > 60
    assert {line["event"] for line in web.lines()} >= {
        *("delivery.accepted", "delivery.rejected", "record.corrupt", "redis.unavailable", "request.malformed")
    }
    assert heard.found() == []

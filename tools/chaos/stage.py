"""The stack of a run: Redis, the link to it, two web processes, two workers, and one of yesterday's release."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tools.chaos.link import Link
from tools.chaos.redis_server import RedisServer
from tools.chaos.slots import Slot
from tools.dev.postgres import PostgresServer
from tools.dev.stack import free_port
from tools.simulator.keys import Signer

ROOT = Path(__file__).parents[2]
WEBS = WORKERS = 2
START_TIMEOUT_S = 60.0


class Stage:
    def __init__(self, redis: RedisServer, link: Link, postgres: PostgresServer) -> None:
        self.redis = redis
        self.postgres = postgres
        self.link = link
        self.urls: list[str] = []
        self.webs: list[Slot] = []
        self.workers: list[Slot] = []
        self.yesterday: Slot | None = None

    @property
    def slots(self) -> list[Slot]:
        return [*self.webs, *self.workers, *([] if self.yesterday is None else [self.yesterday])]

    @staticmethod
    def one_of(slots: Sequence[Slot], lot: float) -> Slot:
        return slots[int(lot * len(slots)) % len(slots)]

    async def lose_queue(self) -> None:
        """Delete everything that arq keeps."""
        async for name in self.redis.client.scan_iter("arq:*", count=1000):
            await self.redis.client.delete(name)


@asynccontextmanager
async def running(folder: Path, signer: Signer, *, hurried: bool, yesterday: Path | None) -> AsyncIterator[Stage]:
    """Run the stack, its data and logs in `folder`; leaving stops it in order.

    Raises RuntimeError if it does not start.
    """
    redis = RedisServer(folder)
    link = Link(redis.port)
    postgres = await asyncio.to_thread(PostgresServer, folder)
    stage = Stage(redis, link, postgres)
    try:
        await asyncio.to_thread(postgres.start)
        await redis.start()
        await link.start()
        _fill(stage, folder, signer, hurried=hurried, yesterday=yesterday)
        for slot in (*stage.webs, *stage.workers):
            slot.start()
        await _wait_for(stage)
        yield stage
    finally:
        await asyncio.gather(*(slot.stop() for slot in stage.slots))
        await link.close()
        await redis.close()
        await asyncio.to_thread(postgres.stop)


def _fill(stage: Stage, folder: Path, signer: Signer, *, hurried: bool, yesterday: Path | None) -> None:
    environment = {
        **os.environ,
        "REDIS_URL": f"redis://127.0.0.1:{stage.link.port}",
        "PARTOO_PUBLIC_KEYS": signer.public_key,
        "BIND_HOST": "127.0.0.1",
        "LOG_FORMAT": "json",
        "WEB_CONCURRENCY": "1",
        "PARTOO_WEBHOOK_SECRET": "",
        "PARTOO_API_KEY": "",
        "OUTGOING_ALLOW_PRIVATE": "on",
        "DATABASE_URL": stage.postgres.url(),
    }
    for number in range(1, WEBS + 1):
        port = free_port()
        stage.urls.append(f"http://127.0.0.1:{port}")
        name = f"web-{number}"
        variables = environment | {"PORT": str(port)}
        stage.webs.append(Slot(name, ["-m", "service"], variables, ROOT, folder / f"{name}.log"))
    module = "tools.chaos.hurried_worker" if hurried else "worker"
    for number in range(1, WORKERS + 1):
        name = f"worker-{number}"
        stage.workers.append(Slot(name, ["-m", module], environment, ROOT, folder / f"{name}.log"))
    if yesterday is not None:
        log = folder / "yesterday.log"
        stage.yesterday = Slot("yesterday's worker", ["-m", "worker"], environment, yesterday, log)


async def _wait_for(stage: Stage) -> None:
    deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
    async with aiohttp.ClientSession() as session:
        while not await _all_ready(session, stage.urls):
            if asyncio.get_running_loop().time() > deadline:
                raise RuntimeError(f"the stack does not get ready; its logs are in {stage.webs[0].log.parent}")
            await asyncio.sleep(0.1)


async def _all_ready(session: aiohttp.ClientSession, urls: Sequence[str]) -> bool:
    for url in urls:
        try:
            async with session.get(f"{url}/readyz") as answer:
                if not answer.ok:
                    return False
        except aiohttp.ClientError:
            return False
    return True

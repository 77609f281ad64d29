"""How each kind of fault is done."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import psycopg

from mirror.storage import keys
from tools.chaos.link import DOWN, UP
from tools.chaos.plan import Fault
from tools.chaos.slots import Slot
from tools.chaos.stage import Stage

# How soon a second SIGTERM follows the first, where it does.
SECOND_TERM_S = 0.1
# How late Redis's answers are where a process is to die before it has them, and how long that is tried.
ANSWER_S = 0.05
PATIENCE_S = 3.0
# What a Redis that is nearly full may still take, in bytes.
ROOM = 100_000


async def web_kill(stage: Stage, fault: Fault) -> None:
    stage.one_of(stage.webs, fault.lot).kill()


async def web_term(stage: Stage, fault: Fault) -> None:
    await _term(stage, "webs", fault)


async def worker_kill(stage: Stage, fault: Fault) -> None:
    stage.one_of(stage.workers, fault.lot).kill()


async def worker_term(stage: Stage, fault: Fault) -> None:
    await _term(stage, "workers", fault)


async def _term(stage: Stage, which: str, fault: Fault) -> None:
    slot = stage.one_of(getattr(stage, which), fault.lot)
    slot.term()
    if int(fault.lot * 1000) % 2:
        await asyncio.sleep(SECOND_TERM_S)
        slot.term()


async def accept_kill(stage: Stage, _fault: Fault) -> None:
    """Kill the web processes at a moment in which Redis has a delivery and they do not know it yet."""
    await _kill_once_counted(stage, stage.webs, b"deliveries:accepted")


async def commit_kill(stage: Stage, _fault: Fault) -> None:
    """Kill the workers at a moment in which Redis has a commit and they do not know it yet."""
    await _kill_once_counted(stage, stage.workers, b"decisions:")


async def _kill_once_counted(stage: Stage, slots: Sequence[Slot], name: bytes) -> None:
    # The answer is on its way for this long: time enough to see what it tells, and to be faster.
    stage.link.delay = ANSWER_S
    before = await _count(stage, name)
    deadline = time.monotonic() + PATIENCE_S
    counted = before
    while counted == before and time.monotonic() < deadline:
        counted = await _count(stage, name)
    for slot in slots:
        slot.kill()
    stage.link.delay = 0


async def _count(stage: Stage, prefix: bytes) -> int:
    counts: dict[bytes, bytes] = await stage.redis.client.execute_command("HGETALL", keys.COUNTERS)
    return sum(int(count) for name, count in counts.items() if name.startswith(prefix))


async def workers_kill(stage: Stage, fault: Fault) -> None:
    """Kill all workers, and let none run for a while."""
    for slot in stage.workers:
        slot.hold()
    await asyncio.sleep(fault.seconds)
    for slot in stage.workers:
        slot.start()


async def redis_kill(stage: Stage, fault: Fault) -> None:
    await stage.redis.kill()
    await asyncio.sleep(fault.seconds)
    await stage.redis.start()


async def redis_hang(stage: Stage, fault: Fault) -> None:
    stage.redis.hang()
    await asyncio.sleep(fault.seconds)
    stage.redis.resume()


async def redis_full(stage: Stage, fault: Fault) -> None:
    """Put the memory limit where the memory is: some writes still pass, then none."""
    used = (await stage.redis.client.info("memory"))["used_memory"]
    await stage.redis.client.config_set("maxmemory", used + int(ROOM * fault.lot))
    await asyncio.sleep(fault.seconds)
    await stage.redis.client.config_set("maxmemory", 0)


async def redis_disk_full(stage: Stage, fault: Fault) -> None:
    """Let the append-only file grow no further: Redis ends, perhaps in the middle of a command that it writes."""
    stage.redis.bound_files(int(ROOM * fault.lot))
    await asyncio.sleep(fault.seconds)
    await stage.redis.kill()
    await stage.redis.start()


async def redis_rewrite(stage: Stage, _fault: Fault) -> None:
    await stage.redis.rewrite()


async def link_cut(stage: Stage, _fault: Fault) -> None:
    stage.link.cut()


async def link_cut_up(stage: Stage, _fault: Fault) -> None:
    stage.link.cut_half_way(UP)


async def link_cut_down(stage: Stage, _fault: Fault) -> None:
    stage.link.cut_half_way(DOWN)


async def link_mute(stage: Stage, fault: Fault) -> None:
    stage.link.mute = True
    await asyncio.sleep(fault.seconds)
    stage.link.mute = False
    # What was swallowed never arrives: a connection that lost some of its bytes is of no use any more.
    stage.link.cut()


async def link_delay(stage: Stage, fault: Fault) -> None:
    """Make everything take longer, up to more than a command's deadline: what its sender gave up still arrives."""
    stage.link.delay = 3 * fault.lot
    await asyncio.sleep(fault.seconds)
    stage.link.delay = 0


async def queue_lost(stage: Stage, _fault: Fault) -> None:
    await stage.lose_queue()


async def postgres_kill(stage: Stage, fault: Fault) -> None:
    stage.postgres.kill()
    await asyncio.sleep(fault.seconds)
    await asyncio.to_thread(stage.postgres.start)


async def postgres_cut(stage: Stage, _fault: Fault) -> None:
    """Cut all connections to Postgres, in the middle of whatever they are at."""
    statement = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    async with await psycopg.AsyncConnection.connect(stage.postgres.url(), autocommit=True) as connection:
        await connection.execute(statement)


async def release(stage: Stage, fault: Fault) -> None:
    """Have a worker of yesterday's release work beside those of today's."""
    if stage.yesterday is None:
        return
    stage.yesterday.start()
    await asyncio.sleep(fault.seconds)
    stage.yesterday.leave()


FAULTS: Mapping[str, Callable[[Stage, Fault], Awaitable[None]]] = {
    "web-kill": web_kill,
    "web-term": web_term,
    "accept-kill": accept_kill,
    "worker-kill": worker_kill,
    "commit-kill": commit_kill,
    "worker-term": worker_term,
    "workers-kill": workers_kill,
    "redis-kill": redis_kill,
    "redis-hang": redis_hang,
    "redis-full": redis_full,
    "redis-disk-full": redis_disk_full,
    "redis-rewrite": redis_rewrite,
    "link-cut": link_cut,
    "link-cut-up": link_cut_up,
    "link-cut-down": link_cut_down,
    "link-mute": link_mute,
    "link-delay": link_delay,
    "queue-lost": queue_lost,
    "postgres-kill": postgres_kill,
    "postgres-cut": postgres_cut,
    "release": release,
}

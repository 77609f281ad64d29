"""One run: sends, lets things fail as planned, waits until all is quiet, and judges."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from nacl.signing import SigningKey

from mirror.settings import load
from mirror.storage import keys
from mirror.storage.connection import connect
from mirror.storage.store import Store
from tools.chaos import kept, tables
from tools.chaos.faults import FAULTS
from tools.chaos.judging import Result, Run, judge
from tools.chaos.plan import Fault
from tools.chaos.sending import Sender, Work, told
from tools.chaos.stage import Stage, running
from tools.simulator.keys import Signer

# Deliveries under way at a time, over all web processes.
AT_A_TIME = 32
# The closing act begins here: all workers die, and come back only when everything is sent and arq's queue is lost.
CLOSING = 0.96
# All that waits must be applied within this, once everything is sent.
QUIET_S, QUIET_HURRIED_S = 90.0, 20.0
# And be in Postgres within this; the comparison tells if it is not.
POSTGRES_S = 180.0


class Options(msgspec.Struct):
    """What a run is made of. `folder` takes its data and logs; `yesterday` is the folder of another release."""

    work: Work
    plan: Sequence[Fault]
    folder: Path
    yesterday: Path | None


async def run(options: Options, tell: Callable[[int, str], None]) -> Result:
    """Run it. Raises RuntimeError if the stack does not start."""
    work = options.work
    # A key of its own, from the seed: as repeatable as all else.
    signer = Signer(SigningKey(work.seed.to_bytes(32, "big")))
    started = time.monotonic()
    async with running(options.folder, signer, hurried=work.hurried, yesterday=options.yesterday) as stage:
        sender = Sender(signer, stage.urls, work)
        note = ["all is well so far"]
        telling = asyncio.create_task(told(sender, lambda done: tell(done, note[0])))
        done = await _send_and_fail(stage, sender, options.plan, note)
        note[0] = "waiting until all is quiet"
        quiet_after = await _wait_until_quiet(stage, QUIET_HURRIED_S if work.hurried else QUIET_S)
        note[0] = "waiting for Postgres"
        store = Store(connect(load({}), f"redis://127.0.0.1:{stage.redis.port}"))
        compared = await tables.compare_at_rest(store, stage.postgres.url(), POSTGRES_S)
        await store.close()
        seconds = time.monotonic() - started
        await asyncio.gather(*(slot.stop() for slot in stage.slots))
        note[0] = "judging"
        found = await kept.read(stage.redis)
        telling.cancel()
    return judge(Run(sender, stage.slots, found, done, round(seconds, 1), quiet_after, compared))


async def _send_and_fail(stage: Stage, sender: Sender, plan: Sequence[Fault], note: list[str]) -> Counter[str]:
    sending = asyncio.create_task(sender.run(AT_A_TIME))
    done: Counter[str] = Counter()
    for number, fault in enumerate(plan, 1):
        await _reach(sender, fault.at, sending)
        note[0] = f"fault {number} of {len(plan)}: {fault.kind}"
        await FAULTS[fault.kind](stage, fault)
        done[fault.kind] += 1
    await _reach(sender, int(CLOSING * sender.work.deliveries), sending)
    note[0] = "closing act: no worker"
    for slot in stage.workers:
        slot.hold()
    await sending
    await stage.lose_queue()
    for slot in stage.workers:
        slot.start()
    return done


async def _reach(sender: Sender, place: int, sending: "asyncio.Task[None]") -> None:
    while sender.done < place and not sending.done():  # noqa: ASYNC110 - no event tells of each delivery
        await asyncio.sleep(0.01)


async def _wait_until_quiet(stage: Stage, patience: float) -> float:
    """Wait until nothing waits, and return how long that took; the audit tells if it does not come."""
    started = time.monotonic()
    while time.monotonic() - started < patience:
        if not await stage.redis.client.zcard(keys.WAITING):
            break
        await asyncio.sleep(0.05)
    return round(time.monotonic() - started, 1)

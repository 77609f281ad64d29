"""One run: sends, lets things fail as planned, waits until all is quiet, and judges."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from nacl.signing import SigningKey

from mirror.storage import keys
from simulator.keys import Signer
from torture import kept
from torture.faults import FAULTS
from torture.judging import Result, Run, judge
from torture.plan import Fault
from torture.sending import Sender, told
from torture.stage import Stage, running

# Deliveries under way at a time, over all web processes.
AT_A_TIME = 32
# The closing act begins here: all workers die, and come back only when everything is sent and arq's queue is lost.
CLOSING = 0.96
# All that waits must be applied within this, once everything is sent.
QUIET_S = 90.0


class Options(msgspec.Struct):
    """What a run is made of: `seed` with the numbers draws the deliveries and the faults; `yesterday` is a folder."""

    seed: int
    deliveries: int
    reviews: int
    plan: Sequence[Fault]
    folder: Path
    hurried: bool
    yesterday: Path | None


async def run(options: Options, tell: Callable[[int, str], None]) -> Result:
    """Run it. Raises RuntimeError if the stack does not start."""
    # A key of its own, from the seed: as repeatable as all else.
    signer = Signer(SigningKey(options.seed.to_bytes(32, "big")))
    started = time.monotonic()
    async with running(options.folder, signer, hurried=options.hurried, yesterday=options.yesterday) as stage:
        sender = Sender(signer, stage.urls, options.seed, options.deliveries, options.reviews)
        note = ["starting"]
        telling = asyncio.create_task(told(sender, lambda done: tell(done, note[0])))
        done = await _send_and_fail(stage, sender, options.plan, note)
        note[0] = "waiting until all is quiet"
        quiet_after = await _wait_until_quiet(stage)
        seconds = time.monotonic() - started
        await asyncio.gather(*(slot.stop() for slot in stage.slots))
        note[0] = "judging"
        found = await kept.read(stage.redis)
        telling.cancel()
    return judge(Run(options.deliveries, sender, stage.slots, found, done, round(seconds, 1), quiet_after))


async def _send_and_fail(stage: Stage, sender: Sender, plan: Sequence[Fault], note: list[str]) -> Counter[str]:
    sending = asyncio.create_task(sender.run(AT_A_TIME))
    done: Counter[str] = Counter()
    for number, fault in enumerate(plan, 1):
        await _reach(sender, fault.at, sending)
        note[0] = f"fault {number} of {len(plan)}: {fault.kind}"
        await FAULTS[fault.kind](stage, fault)
        done[fault.kind] += 1
    await _reach(sender, int(CLOSING * sender.deliveries), sending)
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


async def _wait_until_quiet(stage: Stage) -> float:
    started = time.monotonic()
    while time.monotonic() - started < QUIET_S:
        if not await stage.redis.client.zcard(keys.WAITING):
            break
        await asyncio.sleep(0.05)
    return round(time.monotonic() - started, 1)

"""Outgoing webhooks while everything dies: three receivers, and an account of every event.

`python -m tools.chaos.outgoing` sends signed deliveries and, meanwhile, kills workers, web processes and Redis. One
receiver is well, one is down for the first half, one fails one request in five. In the end each must have every event
of every review, in order; an event may have come twice only where a process had just died. Retries come sooner than in
production, so that the run need not wait for them for days. Exit status 1 if a check fails.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
from aiohttp.test_utils import TestServer
from nacl.signing import SigningKey
from redis.exceptions import RedisError

from mirror.clock import now_ms
from mirror.domain.feed import BEGINNING
from mirror.domain.outgoing import Endpoint, Secret, make_secret
from mirror.settings import load
from mirror.storage import endpoints, keys
from mirror.storage.connection import connect
from mirror.storage.store import Store
from tools.chaos.sending import Sender, Work
from tools.chaos.stage import Stage, running
from tools.simulator.keys import Signer
from tools.simulator.progress import Progress
from tools.simulator.receiving import Faults, Received, Receiver, key_of

CHANGES, RATE = 20_000, 150.0
SECRET = make_secret(bytes(range(32)))
WELL, DOWN, FLAKY = "well", "down for half the run", "fails one request in five"
QUIET_S = 180.0
# A process that died may have left answers unwritten that it had got in this time before.
UNWRITTEN_MS = 2_000
# So long after a death another worker takes over: what falls into this is told apart.
TAKEOVER_MS = 15_000
_KILL_WORKER, _KILL_WEB, _KILL_REDIS, _RELEASE = "worker killed", "web killed", "Redis killed", "workers told to stop"
# What happens when, as shares of the run.
PLAN = (
    *((0.15, _KILL_WORKER), (0.25, _KILL_WEB), (0.35, _RELEASE), (0.45, _KILL_WORKER), (0.6, _KILL_REDIS)),
    *((0.7, _KILL_WORKER), (0.8, _KILL_WEB), (0.9, _KILL_WORKER)),
)


class Endpointed(msgspec.Struct):
    """A receiver, and when it took each event (ms since 1970 UTC): all the times, where it came again."""

    name: str
    receiver: Receiver
    taken: dict[str, list[int]]


class Result(msgspec.Struct):
    """What was found; `problems` is empty if all is as it should be. Lags are in ms."""

    changes: int
    seconds: float
    faults: dict[str, int]
    endpoints: dict[str, dict[str, Any]]
    problems: list[str]


class PacedSender(Sender):
    """Sends so many deliveries a second at most."""

    def __init__(self, signer: Signer, urls: Sequence[str], work: Work, rate: float) -> None:
        super().__init__(signer, urls, work)
        self._step = 1 / rate
        self._next = time.monotonic()

    async def _post(self, session: Any, body: bytes) -> Any:
        self._next = max(self._next + self._step, time.monotonic() - 1)
        await asyncio.sleep(max(0.0, self._next - time.monotonic()))
        return await super()._post(session, body)


def _receiver(name: str, faults: Faults) -> Endpointed:
    def tell(received: Received) -> None:
        if received.status == 200:  # noqa: PLR2004 - taken
            one.taken.setdefault(str(received.event["id"]), []).append(now_ms())

    one = Endpointed(name, Receiver([key_of(SECRET)], faults, tell), {})
    return one


async def run(folder: Path, changes: int, rate: float, tell: Any) -> Result:
    """Run it with all data and logs in `folder`. Raises RuntimeError if the stack does not start."""
    signer = Signer(SigningKey(bytes(range(32))))
    work = Work(seed=1, deliveries=changes, reviews=max(20, changes // 50), hurried=True)
    ones = [_receiver(WELL, Faults()), _receiver(DOWN, Faults(share=1.0)), _receiver(FLAKY, Faults(500, share=0.2))]
    started = time.monotonic()
    async with running(folder, signer, hurried=True, yesterday=None) as stage, AsyncExitStack() as stack:
        store = Store(connect(load({}), f"redis://127.0.0.1:{stage.redis.port}"))
        stack.push_async_callback(store.close)
        for number, one in enumerate(ones):
            server = await stack.enter_async_context(TestServer(one.receiver.application()))
            endpoint = Endpoint(
                id=f"ep_{number}", url=str(server.make_url("/")), secrets=(Secret(SECRET),), created_at=number
            )
            await endpoints.add(store, endpoint, BEGINNING)
        sender = PacedSender(signer, stage.urls, work, rate)
        sending = asyncio.create_task(sender.run(16))
        deaths = await _let_die(stage, sender, sending, ones[1].receiver, tell)
        await sending
        told = await _wait_until_all_told(stage, ones)
        seconds = round(time.monotonic() - started, 1)
        problems = [f"lost by the sender: {one}" for one in sender.lost[:3]]
        if stopped := [slot.name for slot in stage.slots if slot.unexpected]:
            problems.append(f"ended by themselves: {', '.join(stopped)}")
    found = {one.name: _judge(one, told, deaths, problems) for one in ones}
    counts = {kind: sum(1 for each, _ in deaths if each == kind) for kind in {each for each, _ in deaths}}
    return Result(len(told), seconds, counts, found, problems)


async def _let_die(
    stage: Stage, sender: Sender, sending: "asyncio.Task[None]", down: Receiver, tell: Any
) -> list[tuple[str, int]]:
    """Follow the plan; returns what happened when, in ms since 1970 UTC."""
    deaths: list[tuple[str, int]] = []
    steps = [*PLAN, (0.5, "")]
    for number, (share, kind) in enumerate(sorted(steps)):
        while sender.done < share * sender.work.deliveries and not sending.done():
            tell(sender.done, kind)
            await asyncio.sleep(0.05)
        if not kind:
            down.mend()
            continue
        deaths.append((kind, now_ms()))
        if kind == _KILL_WORKER:
            # The one that sends is among these: leases pass from one to the other.
            stage.workers[number % len(stage.workers)].kill()
        elif kind == _KILL_WEB:
            stage.webs[number % len(stage.webs)].kill()
        elif kind == _RELEASE:
            for slot in stage.workers:
                slot.term()
        else:
            await stage.redis.kill()
            await asyncio.sleep(1)
            await stage.redis.start()
    return deaths


async def _wait_until_all_told(stage: Stage, ones: Sequence[Endpointed]) -> dict[str, int]:
    """Wait until nothing waits and everybody has everything, at most QUIET_S; returns when each event was committed."""
    deadline = time.monotonic() + QUIET_S
    while True:
        try:
            waiting = await stage.redis.client.zcard(keys.WAITING)
            entries = await stage.redis.client.xrange(keys.FEED)
        except (RedisError, OSError):
            waiting, entries = 1, []
        told = {
            f"{fields[b'review_id'].decode()}-{fields[b'version'].decode()}": int(position.partition(b"-")[0])
            for position, fields in entries
            if b"review_id" in fields
        }
        if time.monotonic() > deadline or (
            not waiting and all(told.keys() <= one.taken.keys() and told for one in ones)
        ):
            return told
        await asyncio.sleep(0.2)


def _judge(
    one: Endpointed, told: dict[str, int], deaths: Sequence[tuple[str, int]], problems: list[str]
) -> dict[str, Any]:
    tally = one.receiver.tally
    if missing := sorted(told.keys() - one.taken.keys()):
        problems.append(f"{one.name}: {len(missing)} events never came, such as {missing[:3]}")
    if tally.out_of_order or tally.forged:
        problems.append(f"{one.name}: {tally.out_of_order} out of order, {tally.forged} with a wrong signature")
    died = [at for kind, at in deaths if kind in (_KILL_WORKER, _KILL_REDIS)]
    repeated = [times[0] for times in one.taken.values() if len(times) > 1]
    if odd := [at for at in repeated if not any(death - UNWRITTEN_MS <= at <= death + 1_000 for death in died)]:
        problems.append(f"{one.name}: {len(odd)} events came twice although nothing had died")
    lags = {event_id: times[0] - told[event_id] for event_id, times in one.taken.items() if event_id in told}
    quiet = [
        lag
        for event_id, lag in lags.items()
        if not any(
            death <= told[event_id] + max(lag, 0) and told[event_id] <= death + TAKEOVER_MS for _, death in deaths
        )
    ]
    return {
        "events": len(one.taken),
        "refused": tally.failed,
        "twice": len(repeated),
        "lag_p50": _quantile(list(lags.values()), 0.5),
        "lag_p99": _quantile(list(lags.values()), 0.99),
        "lag_max": max(lags.values(), default=0),
        "lag_p99_but_for_takeovers": _quantile(quiet, 0.99),
    }


def _quantile(values: list[int], share: float) -> int:
    return sorted(values)[int(share * (len(values) - 1))] if values else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.chaos.outgoing", description=__doc__)
    parser.add_argument("--changes", type=int, default=CHANGES, help=f"deliveries to send ({CHANGES})")
    parser.add_argument("--rate", type=float, default=RATE, help=f"how many a second ({RATE:g})")
    options = parser.parse_args()
    progress = Progress(sys.stderr, options.changes, bar=sys.stderr.isatty())
    with tempfile.TemporaryDirectory(prefix="reviewmirror-outgoing-") as folder:
        result = asyncio.run(run(Path(folder), options.changes, options.rate, progress.show))
    progress.end()
    sys.stdout.write(json.dumps(msgspec.to_builtins(result), indent=2) + "\n")
    return 1 if result.problems else 0


if __name__ == "__main__":
    sys.exit(main())

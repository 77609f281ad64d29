"""A scenario sent step by step, at its own pace: each event is acknowledged or lost before the next one leaves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from aiohttp import ClientSession
from yarl import URL

from tools.simulator.keys import Signer
from tools.simulator.scenario import Scenario, Step
from tools.simulator.sending import Attempt, Delivery, RetryPolicy, deliver
from tools.simulator.wire import sign_event

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where events go, and how they are signed and retried on the way there."""

    url: URL
    signer: Signer
    policy: RetryPolicy


def due_times(scenario: Scenario, day: float) -> list[float]:
    """Seconds from the first step to each, where one day of the scenario lasts `day` seconds."""
    first = scenario.steps[0].at
    return [(step.at - first).total_seconds() / _DAY * day for step in scenario.steps]


async def play(
    session: ClientSession,
    scenario: Scenario,
    target: Target,
    day: float,
    on_redelivery: Callable[[Step, Attempt, float], None],
) -> AsyncIterator[tuple[Step, Delivery]]:
    """Send the steps in order and yield each with what became of it; a lost event does not stop the ones after it."""
    clock = asyncio.get_running_loop().time
    started = clock()
    for step, due in zip(scenario.steps, due_times(scenario, day), strict=True):
        await asyncio.sleep(max(0.0, started + due - clock()))

        def notify(attempt: Attempt, delay: float, step: Step = step) -> None:
            on_redelivery(step, attempt, delay)

        event = sign_event(step.body, target.signer, step.headers)
        yield step, await deliver(session, target.url, event, target.policy, notify)

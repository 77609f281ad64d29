"""Stopping: the signals that tell a process to stop, and cancelling its tasks."""

import asyncio
import signal
from collections.abc import Callable
from typing import Any

# A task that swallows its cancellation is cancelled again after this.
_AGAIN_AFTER_S = 0.5


def stop_signals() -> tuple[signal.Signals, ...]:
    """Name the signals that tell this process to stop; a hangup does not, where it is ignored, as under nohup."""
    hangup = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    return (signal.SIGTERM, signal.SIGINT, *hangup)


def on_stop(call: Callable[[], object]) -> None:
    """Have a function called by the running loop when this process is told to stop."""
    loop = asyncio.get_running_loop()
    for number in stop_signals():
        loop.add_signal_handler(number, call)


async def cancel_and_wait(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel tasks and wait until they have ended, whatever they end with.

    Up to Python 3.11 `asyncio.wait_for`, which redis-py uses to send, can swallow a cancellation; so it is repeated.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_AGAIN_AFTER_S)

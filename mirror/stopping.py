"""Being told to stop: by the platform, by Ctrl-C, or by a terminal that was closed."""

import asyncio
import signal
from collections.abc import Callable


def stop_signals() -> tuple[signal.Signals, ...]:
    """Name the signals that tell this process to stop; a hangup does not, where it is ignored, as under nohup."""
    hangup = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    return (signal.SIGTERM, signal.SIGINT, *hangup)


def on_stop(call: Callable[[], object]) -> None:
    """Have a function called by the running loop when this process is told to stop."""
    loop = asyncio.get_running_loop()
    for number in stop_signals():
        loop.add_signal_handler(number, call)

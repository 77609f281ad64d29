"""Trace ids that follow from delivery ids. Performs no I/O.

So web and worker write into one trace without a trace id in Redis, and whoever has a log line has the trace.
"""

from hashlib import blake2b

from structlog.typing import EventDict, WrappedLogger


def trace_id(delivery_id: str) -> int:
    """Give the id of the trace that a delivery's spans are in."""
    return _number(delivery_id, 16)


def root_span_id(delivery_id: str) -> int:
    """Give the id of the span that the trace begins with: the request, or what applied an entry of our own making."""
    return _number(delivery_id, 8)


def add_trace_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Name the trace in each log line that names a delivery."""
    delivery_id = event.get("delivery_id")
    if isinstance(delivery_id, str):
        event["trace_id"] = f"{trace_id(delivery_id):032x}"
    return event


def _number(delivery_id: str, size: int) -> int:
    # Zero is no valid id.
    return int.from_bytes(blake2b(delivery_id.encode(), digest_size=size).digest(), "big") or 1

"""One event applied to its review, as a job does it: read, reduce, write if nobody has written meanwhile."""

import time

import msgspec
import redis

from mirror.domain.decisions import Decision
from mirror.domain.record import Delivery, Record, Windows
from mirror.domain.reducer import reduce
from mirror.domain.wire import decode_review

_RECORD = msgspec.json.Decoder(Record)
DONE = "bench:done"


def decide(job_id: str, body: bytes, stored: bytes | None) -> Decision:
    event = decode_review(body)
    record = None if stored is None else _RECORD.decode(stored)
    return reduce(record, Delivery(job_id, time.time_ns() // 1_000_000, event.review), Windows())


def write(pipe: "redis.client.Pipeline | redis.asyncio.client.Pipeline", review_id: int, decision: Decision) -> None:
    """Queue what a decision writes, on a pipeline that has watched the record."""
    pipe.multi()
    pipe.set(f"bench:{review_id}", msgspec.json.encode(decision.record))
    if decision.change is not None:
        pipe.rpush(f"bench:{review_id}:changes", msgspec.json.encode(decision.change))
    pipe.incr(DONE)

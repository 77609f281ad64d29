"""The arq side of the peers: one job for each event. `arq tools.bench.peers.arq_jobs.WorkerSettings`."""

import os
from typing import Any

import msgspec
from arq.connections import ArqRedis, RedisSettings
from redis.asyncio import BlockingConnectionPool
from redis.exceptions import WatchError

from mirror.domain.wire import decode_review
from tools.bench.peers.applying import decide, write


def connect() -> ArqRedis:
    pool = BlockingConnectionPool.from_url(os.environ["REDIS_URL"], max_connections=50)
    return ArqRedis(pool, job_serializer=msgspec.msgpack.encode, job_deserializer=msgspec.msgpack.decode)


async def apply_event(ctx: dict[str, Any], body: bytes) -> None:
    review_id = decode_review(body).review_id
    while True:
        async with ctx["redis"].pipeline(transaction=True) as pipe:
            await pipe.watch(f"bench:{review_id}")
            decision = decide(ctx["job_id"], body, await pipe.get(f"bench:{review_id}"))
            write(pipe, review_id, decision)
            try:
                await pipe.execute()
            except WatchError:
                continue
            return


class WorkerSettings:
    functions = (apply_event,)
    redis_settings = RedisSettings(unix_socket_path=os.environ.get("REDIS_URL", "").removeprefix("unix://"))
    job_serializer = msgspec.msgpack.encode
    job_deserializer = msgspec.msgpack.decode
    max_jobs = 100
    poll_delay = 0.05
    keep_result = 0

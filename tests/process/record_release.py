"""Records what an earlier release leaves in Redis, as commands in JSON that write the same again.

`python -m tests.process.record_release REVISION > tests/process/fixtures/NAME.json`: checks the revision out,
tells its web process and its worker a story, stops the worker, and lets more deliveries wait.
What expires by itself is left out.
"""

import asyncio
import base64
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp

from mirror.storage import keys
from tests.process import processes
from tests.process.processes import Process
from tests.support import make_body, make_deletion, make_review, signed, wait_until
from tools.chaos.yesterday import check_out
from tools.dev.stack import free_port

ROOT = Path(__file__).parents[2]
FOR_EVER = -1


def shown(review_id: int, **fields: Any) -> bytes:
    return make_body(make_review(review_id, **fields))


def gone(review_id: int) -> bytes:
    return make_body(make_deletion(make_review(review_id)))


EDIT = {"rating": 5, "update_date": "2025-09-05T10:00:00+02:00", "tags": [{"id": 25, "label": "food"}]}
TOLD = [
    *(shown(1), shown(1, **EDIT)),
    *(shown(2), gone(2)),
    *(shown(3), gone(3), shown(3)),
    shown(4, sentiment={"new": ["at", "Partoo"]}, partner="tripadvisor", business_id=None),
    *(b"not JSON", b'{"type": "review_updated", "payload": {}}'),
]
WAITING = [
    shown(1, **EDIT, title="Parfait"),
    shown(2),
    shown(3),
    shown(5),
]


async def record(folder: Path, server: processes.RedisServer) -> list[list[Any]]:
    variables = processes.environment(server.url, PORT=str(port := free_port()))
    url = f"http://127.0.0.1:{port}"
    release = folder / "release"
    web = Process(["-m", "service"], variables, folder / "web", release)
    worker = Process(["-m", "worker"], variables, folder / "worker", release)
    client = server.client()
    try:
        web.wait_for("service.started")
        worker.wait_for("worker.started")
        async with aiohttp.ClientSession() as session:
            await _send(session, url, TOLD)
            await wait_until(lambda: _nothing_waits(client))
            worker.stop()
            await _send(session, url, WAITING)
            # What the web process counts it hands over once a second.
            await asyncio.sleep(1.5)
        return list(_commands(client))
    finally:
        worker.stop()
        web.stop()
        client.close()


async def _nothing_waits(client: Any) -> bool:
    return not client.zcard(keys.WAITING)


async def _send(session: aiohttp.ClientSession, url: str, bodies: list[bytes]) -> None:
    for body in bodies:
        async with session.post(f"{url}/webhooks/partoo", data=body, headers=signed(body)) as answer:
            answer.raise_for_status()


def _commands(client: Any) -> Iterator[list[Any]]:
    for name in sorted(client.scan_iter(count=1000)):
        if client.ttl(name) == FOR_EVER:
            for command in COMMANDS[client.type(name)](client, name):
                yield [_text(part) for part in command]


def _stream(client: Any, name: bytes) -> list[list[bytes]]:
    return [
        [b"XADD", name, entry, *(part for pair in fields.items() for part in pair)]
        for entry, fields in client.xrange(name)
    ]


def _sorted_set(client: Any, name: bytes) -> list[list[bytes]]:
    # Whatever the clock of the machine that loads it says, all that waits must be due.
    scores = client.zrange(name, 0, -1, withscores=True)
    return [[b"ZADD", name, b"0" if name == keys.DUE.encode() else b"%d" % score, member] for member, score in scores]


COMMANDS: dict[bytes, Callable[[Any, bytes], list[list[bytes]]]] = {
    b"string": lambda client, name: [[b"SET", name, client.get(name)]],
    b"list": lambda client, name: [[b"RPUSH", name, *client.lrange(name, 0, -1)]],
    b"set": lambda client, name: [[b"SADD", name, *sorted(client.smembers(name))]],
    b"hash": lambda client, name: [[b"HSET", name, *pair] for pair in sorted(client.hgetall(name).items())],
    b"zset": _sorted_set,
    b"stream": _stream,
}


def _text(part: bytes) -> str | dict[str, str]:
    """Write what is text as it is, so that one can read it, and the rest as base64."""
    try:
        return part.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(part).decode()}


async def main(revision: str) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "release").mkdir()
        subject = check_out(ROOT, folder / "release", revision)
        if subject is None:
            sys.stderr.write(f"there is no revision {revision} at hand\n")
            return 1
        with processes.redis_server(folder) as server:
            commands = await record(folder, server)
    lines = ",\n".join(json.dumps(command, ensure_ascii=False) for command in commands)
    sys.stdout.write(f'{{"release": {json.dumps(subject)}, "commands": [\n{lines}\n]}}\n')
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1])))

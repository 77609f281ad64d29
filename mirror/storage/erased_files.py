"""Which of Redis's own files, the append-only file and the last snapshot, still hold reviews that were erased.

Erasing takes a review out of Redis's memory. A file no longer holds it once a rewrite that began after that has
succeeded. A mark in Redis remembers this, so that every process can tell, also after a restart of the server.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from mirror.storage import keys
from mirror.storage.errors import CommandRefusedError
from mirror.storage.server import Finding
from mirror.storage.store import Store

_REVIEW = "review:"
_MOST_NAMED = 10


class File(StrEnum):
    """A file that Redis keeps; the value is its field in the hash of marks."""

    AOF = "aof"
    SNAPSHOT = "rdb"

    @property
    def label(self) -> str:
        return "append-only file" if self is File.AOF else "snapshot"

    @property
    def command(self) -> str:
        return "BGREWRITEAOF" if self is File.AOF else "BGSAVE"


class Writing(msgspec.Struct, frozen=True):
    """How the writing of a file stands. `begun` counts since the server's start; None: the server does not tell."""

    busy: bool
    succeeded: bool
    begun: int | None


class Mark(msgspec.Struct, frozen=True):
    """The run of the server in which reviews were erased, and how often by then it had begun to write the file."""

    run_id: str
    begun: int | None


class Unclean(msgspec.Struct, frozen=True):
    """The files that still hold something, with those whose last writing failed, and reviews not known to be erased."""

    files: list[File]
    failed: list[File]
    reviews: list[int]


def writing(file: File, info: dict[str, Any]) -> Writing:
    """Read from INFO how the writing of a file stands."""
    if file is File.AOF:
        busy = info.get("aof_rewrite_in_progress") or info.get("aof_rewrite_scheduled")
        return Writing(bool(busy), info.get("aof_last_bgrewrite_status") == "ok", info.get("aof_rewrites"))
    busy = info.get("rdb_bgsave_in_progress")
    return Writing(bool(busy), info.get("rdb_last_bgsave_status") == "ok", info.get("rdb_saves"))


async def begin(store: Store, review_ids: Iterable[int]) -> None:
    """Remember that these reviews are to be erased, before anything is."""
    for one in review_ids:
        await store.redis.execute_command("HSET", keys.UNCLEAN_FILES, f"{_REVIEW}{one}", "")


async def erased(store: Store, review_ids: Iterable[int], files: Iterable[File]) -> None:
    """Remember that these reviews were erased just now, but not from the files."""
    info = await store.redis.info()
    for file in files:
        mark = Mark(str(info.get("run_id")), writing(file, info).begun)
        await store.redis.execute_command("HSET", keys.UNCLEAN_FILES, file, msgspec.json.encode(mark))
    for one in review_ids:
        await store.redis.execute_command("HDEL", keys.UNCLEAN_FILES, f"{_REVIEW}{one}")


async def cleaned(store: Store, file: File) -> None:
    """Remember that the file no longer holds what was erased."""
    await store.redis.execute_command("HDEL", keys.UNCLEAN_FILES, file)


async def look(store: Store) -> Unclean:
    """Tell what is not clean yet, and take out what is by now."""
    marks: dict[bytes, bytes] = await store.redis.execute_command("HGETALL", keys.UNCLEAN_FILES)
    info = await store.redis.info() if marks else {}
    files, failed = [], []
    for file in File:
        mark = marks.get(file.encode())
        if mark is None:
            continue
        state = writing(file, info)
        if _is_clean(mark, state, str(info.get("run_id"))):
            # A replica, say, can be looked at all the same.
            with suppress(CommandRefusedError):
                await cleaned(store, file)
            continue
        files.append(file)
        if not state.succeeded:
            failed.append(file)
    names = sorted(name.decode() for name in marks)
    return Unclean(files, failed, [int(name[len(_REVIEW) :]) for name in names if name.startswith(_REVIEW)])


def _is_clean(data: bytes, state: Writing, run_id: str) -> bool:
    mark = msgspec.json.decode(data, type=Mark)
    if state.begun is None or state.busy or not state.succeeded:
        return False
    return state.begun > ((mark.begun or 0) if mark.run_id == run_id else 0)


async def files_kept(store: Store) -> tuple[list[File], bool]:
    """Name the files that may hold what is erased now, and tell whether that is known of snapshots."""
    info = await store.redis.info("persistence")
    aof = [File.AOF] if info.get("aof_enabled") else []
    # -1 until the first one since the server's start.
    if int(info.get("rdb_last_bgsave_time_sec", -1)) >= 0 or info.get("rdb_bgsave_in_progress"):
        return [*aof, File.SNAPSHOT], True
    try:
        configured = {name: await _configured(store, name) for name in ("save", "dir", "dbfilename")}
    except CommandRefusedError:
        return aof, False
    # Where the server runs on this machine, one of an earlier start can be seen.
    seen = configured["dbfilename"] and _is_there(configured["dir"], configured["dbfilename"])
    return [*aof, File.SNAPSHOT] if configured["save"] or seen else aof, True


def _is_there(folder: str, name: str) -> bool:
    return Path(folder, name).exists()


async def _configured(store: Store, name: str) -> str:
    found: dict[str, str] = await store.redis.config_get(name)
    return found.get(name, "")


async def finding(store: Store) -> Finding | None:
    """Say what is not clean, and what to do."""
    unclean = await look(store)
    if unclean.reviews:
        named = " ".join(map(str, unclean.reviews[:_MOST_NAMED]))
        return Finding(
            f"{_counted(unclean.reviews)} to be erased by `forget`, which did not come to its end",
            f"with a worker alive, run: python -m mirror forget --yes {named}",
        )
    if not unclean.files:
        return None
    labels = " and ".join(file.label for file in unclean.files)
    failed = ", as the last attempt to write it anew failed" if unclean.failed else ""
    commands = " and ".join(file.command for file in unclean.files)
    return Finding(
        f"what `forget` erased is still in Redis's {labels}{failed}",
        f"see the server's log if this stays, then have Redis run {commands}, or run the same `forget` again",
    )


def _counted(reviews: Sequence[int]) -> str:
    return "1 review is" if len(reviews) == 1 else f"{len(reviews)} reviews are"

"""What was erased leaves Redis's own files too; until then `forget`, `doctor` and `/readyz` say so. Real servers."""

import argparse
import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mirror.cli import forget, forget_files
from mirror.settings import Settings
from mirror.storage import erased_files, forgetting, keys
from mirror.storage.connection import connect
from mirror.storage.frames import DICTIONARIES, DICTIONARY
from mirror.storage.store import Store
from tests.commands import mirror as run
from tests.conftest import StartService
from tests.mirror.mirrored import drain, mirror
from tests.process.processes import RedisServer
from tests.support import make_review, wait_until

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

pytestmark = pytest.mark.process

SECRET = "a text that nobody else writes"
OPTIONS = argparse.Namespace(ids=[34], author=None, yes=True, no_rewrite=False, json=True)


@pytest.fixture
def redis_with(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """Start a server of the test's own, with an append-only file and the given options."""
    started = RedisServer(tmp_path)

    def start(*options: str) -> RedisServer:
        started.start(*options)
        return started

    yield start
    started.kill()


@pytest.fixture
async def own(redis_with: Callable[..., RedisServer], settings: Settings) -> AsyncIterator[Store]:
    """A mirror in a server that writes snapshots as well, in plain text."""
    options = {"save": "3600 1000", "stop-writes-on-bgsave-error": "no", "rdbcompression": "no"}
    server = redis_with(*(part for name, value in options.items() for part in (f"--{name}", value)))
    store = Store(connect(settings, server.url))
    yield store
    await store.close()


async def forgotten(store: Store, settings: Settings, capsys: pytest.CaptureFixture[str]) -> tuple[int, forget.Report]:
    """Erase review 34; returns the exit status and the report."""
    await forgetting.demand(store, [34])
    await drain(store)
    capsys.readouterr()
    status = await forget.run(store, settings, OPTIONS)
    return status, forget.Report(**json.loads(capsys.readouterr().out))


def held_by(folder: Path) -> set[str]:
    """Name the server's files that hold the personal text."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".log")
    return {path.name for path in found if any(SECRET.encode() in text for text in _texts(path.read_bytes()))}


def _texts(data: bytes) -> Iterator[bytes]:
    """Give what a file holds as it is, and what each frame in it holds."""
    yield data
    dictionary = zstd.ZstdDict((DICTIONARIES / f"{DICTIONARY}.zstd-dict").read_bytes())
    for found in re.finditer(re.escape(b"\x28\xb5\x2f\xfd"), data):
        with suppress(zstd.ZstdError):
            yield zstd.ZstdDecompressor(dictionary).decompress(data[found.start() : found.start() + 10_000])


def break_rewrites(folder: Path) -> Callable[[], None]:
    """Put something in the way of the next append-only file; returns what takes it away again."""
    several, one, aside = folder / "appendonlydir", folder / "appendonly.aof", folder / "aside"
    file = several if several.exists() else one
    file.rename(aside)
    if file is several:
        file.write_text("in the way")
    else:
        file.mkdir()

    def mend() -> None:
        if file is several:
            file.unlink()
        else:
            file.rmdir()
        aside.rename(file)

    return mend


async def snapshot(store: Store) -> None:
    await store.redis.execute_command("BGSAVE")

    async def written() -> bool:
        return not erased_files.writing(erased_files.File.SNAPSHOT, await store.redis.info("persistence")).busy

    await wait_until(written)


async def test_forget_waits_until_the_append_only_file_and_the_snapshot_are_clean(
    own: Store, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await mirror(own, make_review(34, content=SECRET))
    await snapshot(own)
    assert len(held_by(tmp_path)) == 2

    status, report = await forgotten(own, settings, capsys)
    assert (status, report.rewritten) == (0, True)
    assert report.rewrite == "The append-only file was rewritten without what was erased."
    assert report.snapshot == "The snapshot was rewritten without what was erased."
    assert held_by(tmp_path) == set()
    assert await erased_files.finding(own) is None
    assert await own.redis.exists(keys.UNCLEAN_FILES) == 0


async def test_a_rewrite_that_fails_is_told_by_forget_doctor_and_readyz_until_it_succeeds(
    own: Store, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], start_service: StartService
) -> None:
    await mirror(own, make_review(34, content=SECRET))
    mend = break_rewrites(tmp_path)
    status, report = await forgotten(own, settings, capsys)
    assert (status, report.rewritten) == (1, False)
    assert "The append-only file " in report.rewrite
    url = f"redis://127.0.0.1:{own.redis.connection_pool.connection_kwargs['port']}"
    shown = await asyncio.to_thread(run, url, "doctor", "--without-worker")
    assert shown.returncode == 0
    told = "what `forget` erased is still in Redis's append-only file, as the last attempt to write it anew failed"
    assert f"warn  erased reviews: {told}\n" in shown.stdout
    service = await start_service(url)
    assert any(warning.startswith(told) for warning in (await (await service.get("/readyz")).json())["warnings"])

    mend()
    status, report = await forgotten(own, settings, capsys)
    assert (status, report.rewritten) == (0, True)
    assert held_by(tmp_path) == set()

    async def is_ready_without_it() -> bool:
        return not any(told in warning for warning in (await (await service.get("/readyz")).json())["warnings"])

    # An answer of /readyz may be a second old.
    await wait_until(is_ready_without_it)


async def test_a_snapshot_that_fails_is_told_until_one_succeeds(
    own: Store, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await mirror(own, make_review(34, content=SECRET))
    await snapshot(own)
    dump, aside = tmp_path / "dump.rdb", tmp_path / "aside.rdb"
    dump.rename(aside)
    (dump / "in the way").mkdir(parents=True)
    status, report = await forgotten(own, settings, capsys)
    assert (status, report.rewritten) == (1, True)
    assert report.snapshot.startswith("The snapshot still holds what was erased, as writing it anew failed")
    found = await erased_files.finding(own)
    assert found is not None
    assert "still in Redis's snapshot" in found.problem

    (dump / "in the way").rmdir()
    dump.rmdir()
    aside.rename(dump)
    assert (await forgotten(own, settings, capsys))[0] == 0
    assert held_by(tmp_path) == set()
    assert await erased_files.finding(own) is None


async def test_a_rewrite_by_the_server_itself_ends_the_warning(
    own: Store, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "aof_rewrites" not in await own.redis.info("persistence"):
        pytest.skip("this server does not count its rewrites: forget is to be run again there")
    await mirror(own, make_review(34, content=SECRET))
    mend = break_rewrites(tmp_path)
    assert (await forgotten(own, settings, capsys))[0] == 1
    mend()
    assert (await erased_files.look(own)).files == [erased_files.File.AOF]
    await own.redis.execute_command("BGREWRITEAOF")

    async def clean() -> bool:
        return await erased_files.finding(own) is None

    await wait_until(clean)
    assert held_by(tmp_path) == set()


async def test_a_rewrite_that_began_before_the_erasure_does_not_count(
    own: Store, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await mirror(own, make_review(34, content=SECRET))
    # A rewrite that takes its time, begun while the review is there.
    await own.redis.config_set("rdb-key-save-delay", "200000")
    await own.redis.execute_command("BGREWRITEAOF")
    await forgetting.demand(own, [34])
    await drain(own)
    monkeypatch.setattr(forget_files, "PATIENCE_S", 0.3)
    status, report = await forgotten(own, settings, capsys)
    assert status == 1
    assert (
        report.rewrite == "The append-only file still holds what was erased: the server is busy. Run this again later."
    )
    await own.redis.config_set("rdb-key-save-delay", "0")

    async def ended() -> bool:
        return not erased_files.writing(erased_files.File.AOF, await own.redis.info("persistence")).busy

    await wait_until(ended)
    assert erased_files.File.AOF in (await erased_files.look(own)).files
    monkeypatch.setattr(forget_files, "PATIENCE_S", 20.0)
    assert (await forgotten(own, settings, capsys))[0] == 0
    assert held_by(tmp_path) == set()


async def test_where_commands_are_forbidden_it_says_what_remains_to_be_waited_for(
    redis_with: Callable[..., RedisServer], settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    forbidden = [part for name in ("CONFIG", "BGREWRITEAOF", "BGSAVE") for part in ("--rename-command", name, "")]
    store = Store(connect(settings, redis_with(*forbidden).url))
    await mirror(store, make_review(34, content=SECRET))
    status, report = await forgotten(store, settings, capsys)
    assert (status, report.rewritten) == (1, False)
    assert "have the server run BGREWRITEAOF" in report.rewrite
    assert "until they have been replaced" in report.snapshot
    found = await erased_files.finding(store)
    assert found is not None
    assert "append-only file" in found.problem
    await store.close()


async def test_what_no_worker_has_erased_yet_is_told_with_what_to_run(
    own: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await mirror(own, make_review(34))
    monkeypatch.setattr(forget, "PATIENCE_S", 0.1)
    capsys.readouterr()
    assert await forget.run(own, settings, OPTIONS) == 1
    found = await erased_files.finding(own)
    assert found is not None
    assert found.problem == "1 review is to be erased by `forget`, which did not come to its end"
    assert found.remedy.endswith("python -m mirror forget --yes 34")
    await drain(own)
    capsys.readouterr()
    assert await forget.run(own, settings, OPTIONS) == 0
    assert await erased_files.finding(own) is None

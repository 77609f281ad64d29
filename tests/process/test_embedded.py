"""The embedded Redis: a real server that keeps its data, is shared, and is stopped by who started it."""

import importlib.metadata
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from mirror.settings import SettingsError
from mirror.storage import embedded
from mirror.storage.embedded import EmbeddedRedisError, embedded_redis, socket_path


def test_it_keeps_its_data_over_a_stop_and_a_start(tmp_path: Path) -> None:
    for expected in (None, b"kept"):
        with embedded_redis(str(tmp_path)) as url:
            client = redis.Redis.from_url(url)
            assert client.get("key") == expected
            client.set("key", "kept")
            client.close()


def test_it_never_evicts_and_writes_an_append_only_file(tmp_path: Path) -> None:
    with embedded_redis(str(tmp_path)) as url:
        client = redis.Redis.from_url(url)
        info: dict[str, Any] = client.execute_command("INFO")
        assert info["maxmemory_policy"] == "noeviction"
        assert info["aof_enabled"] == 1
        client.close()


def test_the_second_who_asks_shares_the_server_and_leaves_it_running(tmp_path: Path) -> None:
    with embedded_redis(str(tmp_path)) as first:
        with embedded_redis(str(tmp_path)) as second:
            assert second == first
        client = redis.Redis.from_url(first)
        assert client.ping()
        client.close()
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(first).ping()


def test_where_no_folder_is_short_enough_for_a_socket_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("t" * 100)))
    with (
        pytest.raises(EmbeddedRedisError, match="REDIS_DATA_DIR or TMPDIR"),
        embedded_redis(str(tmp_path / ("d" * 60))),
    ):
        pass


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Let this process make files that everybody may write, if nothing else is said."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_its_folder_and_all_that_it_writes_are_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with embedded_redis(str(folder)) as url, redis.Redis.from_url(url) as client:
        client.set("name", "Castorche")
        modes = {path.name: mode(path) for path in folder.rglob("*")}
    assert mode(folder) == 0o700
    assert modes.keys() >= {"start.lock", "redis.sock", "redis.log"}
    assert {name: found for name, found in modes.items() if found & 0o077} == {}


def test_an_earlier_folder_of_ours_is_taken_from_other_users(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with embedded_redis(str(folder)):
        pass
    folder.chmod(0o755)
    with embedded_redis(str(folder)):
        assert mode(folder) == 0o700


def test_an_open_folder_with_other_files_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "letter.txt").touch()
    with (
        pytest.raises(SettingsError, match=r"^REDIS_DATA_DIR cannot be used: other users"),
        embedded_redis(str(folder)),
    ):
        pass
    assert mode(folder) == 0o755
    assert [path.name for path in folder.iterdir()] == ["letter.txt"]


def test_a_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(SettingsError, match="belongs to another user"), embedded_redis(str(tmp_path)):
        pass


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A data folder with too long a path for a socket, beside a temporary folder that is this test's own."""
    with tempfile.TemporaryDirectory(prefix="rm-") as own:
        monkeypatch.setattr(tempfile, "tempdir", own)
        yield str(tmp_path / ("long" * 30))


def test_a_folder_with_a_long_path_works_too(far: str) -> None:
    with embedded_redis(far) as url, redis.Redis.from_url(url) as client:
        assert len(str(socket_path(far))) < 108
        assert client.ping()


@pytest.mark.usefixtures("open_umask")
def test_a_socket_elsewhere_lies_in_a_folder_for_its_owner_alone(far: str) -> None:
    with embedded_redis(far):
        assert mode(socket_path(far).parent) == 0o700
        assert mode(socket_path(far)) == 0o700


def test_a_socket_elsewhere_that_another_user_put_there_is_not_used(far: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = socket_path(far).parent
    place.mkdir(exist_ok=True)
    real = Path.lstat

    def lstat(path: Path) -> os.stat_result:
        found = real(path)
        return os.stat_result((*found[:4], 12345, *found[5:])) if path == place else found

    monkeypatch.setattr(Path, "lstat", lstat)
    with pytest.raises(EmbeddedRedisError, match="belongs to another user"), embedded_redis(far):
        pass


def test_a_link_in_the_place_of_the_sockets_folder_is_not_followed(far: str, tmp_path: Path) -> None:
    (tmp_path / "trap").mkdir(mode=0o700)
    socket_path(far).parent.symlink_to(tmp_path / "trap")
    with pytest.raises(EmbeddedRedisError, match="Not a directory"), embedded_redis(far):
        pass


def test_a_server_that_hangs_is_not_taken_for_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second server on the same append-only file would ruin it."""
    monkeypatch.setattr(embedded, "START_TIMEOUT_S", 0.5)
    with embedded_redis(str(tmp_path)) as url:
        client = redis.Redis.from_url(url)
        pid = client.execute_command("INFO")["process_id"]
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(EmbeddedRedisError, match="does not answer"), embedded_redis(str(tmp_path)):
                pass
        finally:
            os.kill(pid, signal.SIGCONT)
        assert client.ping()
        client.close()


def test_a_folder_that_cannot_be_made_is_told_by_the_variables_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(SettingsError, match=r"^REDIS_DATA_DIR cannot be used"),
        embedded_redis(str(tmp_path / "file" / "x")),
    ):
        pass


def test_a_server_that_does_not_start_is_told_with_its_log(tmp_path: Path) -> None:
    (tmp_path / "appendonly.aof").write_text("not an append-only file")
    (tmp_path / "appendonlydir").write_text("in the way")
    with pytest.raises(EmbeddedRedisError, match=r"redis\.log"), embedded_redis(str(tmp_path)):
        pass


@pytest.fixture
def bare_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.mark.parametrize("name", ["redis-server", "valkey-server"])
def test_a_server_on_the_path_comes_before_the_one_of_the_wheel(bare_path: Path, name: str) -> None:
    server = bare_path / name
    server.touch(mode=0o755)
    assert embedded.find_server() == str(server)


@pytest.mark.usefixtures("bare_path")
def test_with_none_on_the_path_the_wheel_brings_a_server_that_runs() -> None:
    said = subprocess.run([embedded.find_server(), "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout
    assert said.startswith("Valkey server v=9.1")


@pytest.mark.usefixtures("bare_path")
def test_without_any_server_the_error_names_the_variable_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "files", lambda _name: [])
    with pytest.raises(SettingsError, match=r"^REDIS_URL is not set, and there is no redis-server or valkey-server"):
        embedded.find_server()


def test_a_server_that_this_machine_cannot_run_is_told_in_one_line(bare_path: Path, tmp_path: Path) -> None:
    (bare_path / "redis-server").write_bytes(b"\x7fELF of another machine")
    (bare_path / "redis-server").chmod(0o755)
    with pytest.raises(EmbeddedRedisError, match="redis-server cannot be run"), embedded_redis(str(tmp_path / "data")):
        pass

"""The embedded Redis: a real server that keeps its data, is shared, and is stopped by who started it."""

import importlib.metadata
import os
import signal
import subprocess
import tempfile
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


def test_a_folder_with_a_long_path_works_too(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    with embedded_redis(str(folder)) as url:
        assert len(str(socket_path(str(folder)))) < 108
        client = redis.Redis.from_url(url)
        assert client.ping()
        client.close()


def test_where_no_folder_is_short_enough_for_a_socket_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("t" * 100)))
    with (
        pytest.raises(EmbeddedRedisError, match="REDIS_DATA_DIR or TMPDIR"),
        embedded_redis(str(tmp_path / ("d" * 60))),
    ):
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

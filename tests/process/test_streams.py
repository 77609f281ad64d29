"""Streams of the feed, when the process that carries them is told to stop."""

import signal
import time
import urllib.request
from pathlib import Path

from tests.process.processes import redis_server, service
from tests.support import READ


def test_a_stream_ends_in_order_at_sigterm_and_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server, service(server.url, tmp_path / "log") as (process, url):
        request = urllib.request.Request(f"{url}/feed/stream", headers=READ)
        with urllib.request.urlopen(request, timeout=10) as stream:
            assert stream.headers["Content-Type"] == "text/event-stream"
            began = time.monotonic()
            process.popen.send_signal(signal.SIGTERM)
            assert stream.read() == b""  # the end of the body, not a broken connection
            assert process.popen.wait(10) == 0
        assert time.monotonic() - began < 5
    assert process.lines("request.failed") == []

"""`notices`: what was told, what waits, and a notice to try out."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from mirror.domain.notices import Condition, observe
from mirror.domain.notices import State as Told
from mirror.storage import notices
from mirror.storage.store import Store
from tests.commands import mirror

SET = {"ALERT_WEBHOOK_URL": "https://hooks.slack.com/services/hunter2"}


async def test_notices_show_what_was_told_and_what_waits_without_the_url(store: Store, redis_url: str) -> None:
    condition = Condition(key="silence", what="it is quiet", todo="look", look="docs")
    await notices.write(store, observe(Told(), [condition], 1_000))
    lines = mirror(redis_url, "notices", **SET).stdout.splitlines()
    assert lines == [
        "notices go to hooks.slack.com, in the form of Slack",
        "told          since 1970-01-01T00:00:01.000Z: it is quiet",
        "              → look",
        "waiting       opened: it is quiet",
    ]
    shown = json.loads(mirror(redis_url, "notices", "--json").stdout)
    assert (shown["to"], [one["key"] for one in shown["told"]]) == (None, ["silence"])
    assert [one["type"] for one in shown["waiting"]] == ["reviewmirror.notice.opened"]


def test_without_any_notice_it_says_so_and_where_they_would_go(redis_url: str) -> None:
    assert mirror(redis_url, "notices").stdout.splitlines() == [
        "notices go nowhere: ALERT_WEBHOOK_URL is not set",
        "nothing is wrong, as far as was told",
    ]
    assert mirror(redis_url, "notices", "--test").returncode == 1


def test_a_notice_can_be_tried_out(redis_url: str) -> None:
    taken: list[bytes] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Be quiet."""

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        variables = {"ALERT_WEBHOOK_URL": f"http://127.0.0.1:{server.server_port}/x", "ALERT_FORMAT": "slack"}
        refused = mirror(redis_url, "notices", "--test", **variables)
        assert (refused.returncode, "is not a public address" in refused.stdout) == (1, True)
        done = mirror(redis_url, "notices", "--test", OUTGOING_ALLOW_PRIVATE="on", **variables)
        thread.join()
    assert (done.returncode, done.stdout) == (0, "taken: 204\n")
    assert json.loads(taken[0])["text"].startswith("reviewmirror: Test: this is a test")

"""Traces of real processes, as a collector gets them."""

import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mirror.telemetry.ids import trace_id
from tests.process.processes import redis_server, service, worker
from tests.support import API_TOKEN, SIGNER, WEBHOOK, make_body, make_review, signed

SECRET = "a-secret-in-a-header"


class Collector(BaseHTTPRequestHandler):
    """Takes spans by OTLP over HTTP."""

    def do_POST(self) -> None:
        self.server.taken.append(self.rfile.read(int(self.headers["Content-Length"])))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing on stderr."""


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """A collector: its URL, and the bodies that it has taken."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        server.taken = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", server.taken  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


def test_web_and_worker_send_their_spans_before_they_stop(tmp_path: Path, collector: tuple[str, list[bytes]]) -> None:
    endpoint, taken = collector
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        # So late that nothing leaves but at the end.
        "OTEL_BSP_SCHEDULE_DELAY": "60000",
        "PARTOO_WEBHOOK_SECRET": SECRET,
    }
    with (
        redis_server(tmp_path) as server,
        service(server.url, tmp_path / "web.log", **variables) as (web, url),
        worker(server.url, tmp_path / "worker.log", **variables) as working,
    ):
        headers = signed(make_body(make_review()), **{"X-Webhook-Secret": SECRET})
        urllib.request.urlopen(urllib.request.Request(url + WEBHOOK, make_body(make_review()), headers)).close()
        line = working.wait_for("review.first_seen")
        accepted = web.wait_for("delivery.accepted")
        assert (web.stop(), working.stop()) == (0, 0)
    number = trace_id(line["delivery_id"])
    assert line["trace_id"] == accepted["trace_id"] == f"{number:032x}"
    sent = [group for body in taken for group in ExportTraceServiceRequest.FromString(body).resource_spans]
    spans = [span for group in sent for scope in group.scope_spans for span in scope.spans]
    assert {span.name for span in spans if int.from_bytes(span.trace_id, "big") == number} == {
        "POST /webhooks/partoo",
        "apply",
    }
    assert {span.name for span in spans} >= {"write", "apply batch", "claim", "decide", "commit"}
    resource = {one.key: one.value.string_value for one in sent[0].resource.attributes}
    assert resource.items() >= {"service.name": "reviewmirror", "deployment.environment.name": "test"}.items()
    for word in (SECRET, API_TOKEN, SIGNER.public_key, "Castorche", "vieillot", str(tmp_path)):
        assert all(word.encode() not in body for body in taken), word


def test_the_service_may_be_called_otherwise(tmp_path: Path, collector: tuple[str, list[bytes]]) -> None:
    endpoint, taken = collector
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_SERVICE_NAME": "reviews-of-acme"}
    with redis_server(tmp_path) as server, service(server.url, tmp_path / "web.log", **variables) as (web, url):
        body = make_body(make_review())
        urllib.request.urlopen(urllib.request.Request(url + WEBHOOK, body, signed(body))).close()
        assert web.stop() == 0
    assert any(b"reviews-of-acme" in one for one in taken)

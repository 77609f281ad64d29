"""The dashboard: a real Prometheus that scrapes a running stack answers every one of its queries."""

import asyncio
import json
import os
import re
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from mirror.domain.feed import BEGINNING
from mirror.domain.outgoing import Endpoint, State
from mirror.storage import endpoints, sink
from mirror.storage.connection import connect
from mirror.storage.sink import SinkState
from mirror.storage.store import Store
from service.api.fleet_metrics import fleet_metrics
from tests.process.processes import redis_server, service, worker
from tests.programs import program
from tests.support import EVERYTHING, WEBHOOK, make_body, make_deletion, make_review, make_settings, signed
from tools.dev.stack import free_port

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "reviewmirror.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
PATIENCE_S = 60.0


def queries() -> dict[str, str]:
    """Name every query of the dashboard, with a window that fits a test."""
    found = {f"{panel['title']}/{target['refId']}": target["expr"] for panel in PANELS for target in panel["targets"]}
    found |= {f"annotation {one['name']}": one["expr"] for one in DASHBOARD["annotations"]["list"]}
    return {name: expr.replace("$__rate_interval", "30s") for name, expr in found.items()}


def test_a_real_prometheus_that_scrapes_the_stack_has_an_answer_to_every_query(tmp_path: Path) -> None:
    binary = program("prometheus")
    with (
        redis_server(tmp_path) as server,
        service(server.url, tmp_path / "web.log") as (_, url),
        worker(server.url, tmp_path / "worker.log"),
        running_prometheus(binary, url, tmp_path) as prometheus,
    ):
        asyncio.run(add_what_is_optional(server.url))
        deadline = time.monotonic() + PATIENCE_S
        number = 0
        # Rates need something that moves.
        while unanswered := [name for name, expr in queries().items() if not answers(prometheus, expr)]:
            assert time.monotonic() < deadline, unanswered
            number += 1
            send_something(url, number)
            time.sleep(0.5)


def answers(prometheus: str, expr: str) -> bool:
    """Tell whether Prometheus finds numbers; one that it cannot understand is an error."""
    query = urllib.parse.urlencode({"query": expr})
    with urllib.request.urlopen(f"{prometheus}/api/v1/query?{query}", timeout=5) as answer:
        result = json.load(answer)["data"]["result"]
    return any(series["value"][1] != "NaN" for series in result)


def send_something(url: str, number: int) -> None:
    review = make_review(number)
    for body, path in ((make_body(review), WEBHOOK), (make_body(make_deletion(review)), WEBHOOK), (b"", "/nowhere")):
        request = urllib.request.Request(url + path, body, signed(body))
        try:
            urllib.request.urlopen(request, timeout=5).close()
        except urllib.error.HTTPError as error:
            error.close()
            if (path, error.code) != ("/nowhere", 404):
                raise


async def add_what_is_optional(redis_url: str) -> None:
    """Add a disabled endpoint, for which an alert fires at once, and tables in Postgres."""
    store = Store(connect(make_settings(), redis_url))
    endpoint = Endpoint(id="ep1", url="https://example.com", secrets=(), created_at=1, state=State.DISABLED)
    await endpoints.add(store, endpoint, BEGINNING)
    await sink.write_state(store, SinkState(state="following", at=await store.now(), cursor=str(BEGINNING)))
    await store.close()


@contextmanager
def running_prometheus(binary: str, url: str, folder: Path) -> Iterator[str]:
    """Run Prometheus as it is shipped, but quicker and with the stack of the test; gives its URL."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(ROOT / "deploy" / "prometheus" / "rules.yml")]
    config["scrape_configs"][0]["static_configs"] = [{"targets": [url.removeprefix("http://")]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    options = ["--config.file=prometheus.yml", "--storage.tsdb.path=prometheus", f"--web.listen-address={address}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([binary, *options], cwd=folder, stdout=log, stderr=log, env=dict(os.environ))
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not is_ready(f"http://{address}"):
            assert process.poll() is None, (folder / "prometheus.log").read_text()
            assert time.monotonic() < deadline, (folder / "prometheus.log").read_text()
            time.sleep(0.1)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(20)


def is_ready(prometheus: str) -> bool:
    try:
        with urllib.request.urlopen(f"{prometheus}/-/ready", timeout=2):
            return True
    except OSError:
        return False


def test_the_dashboard_shows_every_metric() -> None:
    shown = set(re.findall(r"\breviewmirror_\w+", " ".join(queries().values())))
    suffixes = {"counter": "_total", "histogram": "_bucket"}
    assert shown == {metric.name + suffixes.get(metric.type, "") for metric in fleet_metrics(EVERYTHING)}


def test_every_panel_has_a_place_of_its_own_and_says_what_it_shows() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert [panel["title"] for panel in PANELS if not panel["description"]] == []
    for one, other in combinations((panel["gridPos"] for panel in DASHBOARD["panels"]), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"], (one, other)


def test_what_is_wrong_comes_first() -> None:
    first, second = DASHBOARD["panels"][:2]
    assert (first["type"], first["title"]) == ("row", "What is wrong now")
    assert "ALERTS" in second["targets"][0]["expr"]

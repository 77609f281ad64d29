"""The alerts: they are sound, each is shown to fire and not to fire, and each leads to what to do."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from mirror.domain.outgoing import State
from service.api.fleet_metrics import MISTAKES, fleet_metrics
from tests.programs import program
from tests.support import EVERYTHING

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "prometheus"
TESTS = sorted(FOLDER.glob("*_test.yml"))


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def cases() -> list[dict[str, Any]]:
    return [
        case for path in TESTS for test in yaml.safe_load(path.read_text())["tests"] for case in test["alert_rule_test"]
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "config", "prometheus.yml"],
        ["check", "rules", "rules.yml"],
        ["test", "rules", *(path.name for path in TESTS)],
    ],
    ids=["config", "rules", "cases"],
)
def test_promtool_finds_nothing_wrong(arguments: list[str]) -> None:
    done = subprocess.run([program("promtool"), *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_shown_to_fire_and_not_to_fire() -> None:
    alerts = {rule["alert"] for rule in rules()}
    assert len(alerts) > 20
    assert {case["alertname"] for case in cases() if case["exp_alerts"]} == alerts
    assert {case["alertname"] for case in cases() if not case["exp_alerts"]} == alerts


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_and_leads_to_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
    explained = (ROOT / "docs" / "operations.md").read_text()
    section = re.search(rf"^### {rule['alert']}\n\n(.+)", explained, re.MULTILINE)
    assert section is not None
    for field in ("summary", "description"):
        assert rule["annotations"][field]


def test_what_the_alerts_and_their_cases_look_at_is_what_the_service_shows() -> None:
    shown = {metric.name + ("_total" if metric.type == "counter" else "") for metric in fleet_metrics(EVERYTHING)}
    for path in FOLDER.glob("*.yml"):
        named = set(re.findall(r"\breviewmirror_\w+", path.read_text()))
        assert named - shown == set(), path


def test_the_labels_that_the_alerts_choose_by_exist() -> None:
    values = {
        value for metric in fleet_metrics(EVERYTHING) for sample in metric.samples for value in sample.labels.values()
    }
    values |= {*State, *MISTAKES}
    chosen = re.findall(r'(?:outcome|reason|state|result|certainty)=(~?)"([^"]+)"', (FOLDER / "rules.yml").read_text())
    assert len(chosen) > 8
    for regex, value in chosen:
        assert any(re.fullmatch(value, one) if regex else one == value for one in values | {"ambiguous"}), value

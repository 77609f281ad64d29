"""The documents say what the code does."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from mirror.domain.changes import Kind
from mirror.domain.lifecycle import Status, diagram
from mirror.storage.histogram import BOUNDS
from mirror.variables import VARIABLES
from service.api.fleet_metrics import fleet_metrics
from tests.support import EVERYTHING

ROOT = Path(__file__).parents[1]
# A marker in a history, which no delivery results in.
OUTCOMES = set(Kind) - {Kind.TRIMMED}
# What the platform or an add-on sets, or what is for development only.
NOT_IN_APP_JSON = {"PORT", "REDIS_URL", "REDIS_DATA_DIR", "BIND_HOST"}


def text(name: str) -> str:
    return (ROOT / name).read_text()


def sources(*folders: str) -> Iterator[str]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.read_text()


def test_the_lifecycle_diagram_is_the_one_that_the_table_gives() -> None:
    assert f"```mermaid\n{diagram()}\n```" in text("docs/architecture.md")


def test_env_example_has_every_variable_with_its_default_and_no_other() -> None:
    found = dict(re.findall(r"^([A-Z_]+)=(.*)$", text(".env.example"), re.MULTILINE))
    assert found == {variable.name: variable.default for variable in VARIABLES}


def test_app_json_describes_every_variable_that_one_sets() -> None:
    env = json.loads(text("app.json"))["env"]
    assert set(env) == {variable.name for variable in VARIABLES} - NOT_IN_APP_JSON
    assert all(entry["description"] for entry in env.values())


def test_every_log_event_is_explained() -> None:
    explained = text("docs/operations.md")
    pattern = re.compile(r'log\.(?:debug|info|warning|error|exception)\(\s*"([a-z_.]+)"')
    events = {event for source in sources("service", "worker", "mirror") for event in pattern.findall(source)}
    events |= {f"review.{outcome}" for outcome in (*OUTCOMES, "unchanged", "stale", "forgotten")}
    events |= {f"delivery.{status}" for status in ("accepted", "ignored", "tryout", "dead_letter")}
    assert {event for event in events if f"`{event}`" not in explained} == set()


def test_every_metric_is_explained() -> None:
    names = {metric.name for metric in fleet_metrics(EVERYTHING)}
    explained = text("docs/operations.md")
    assert {name for name in names if name not in explained} == set()


def test_every_error_code_and_status_is_explained() -> None:
    explained = text("docs/operations.md")
    pattern = re.compile(r'(?:ServiceError|__init__)\(\s*\d{3},\s*"([a-z_]+)"|SignatureError\("([a-z_]+)"')
    found = (match for source in sources("service", "mirror/domain") for match in pattern.findall(source))
    codes = {one or other for one, other in found} | {str(status) for status in Status}
    assert len(codes) > 12
    assert {code for code in codes if f"`{code}`" not in explained} == set()


def test_readme_names_only_targets_and_files_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))
    named = set(re.findall(r"make ([a-z-]+)", text("README.md")))
    assert {"demo", "check", "run"} <= named <= targets
    for link in re.findall(r"\]\((?!https:)([^)#]+)\)", text("README.md")):
        assert (ROOT / link).exists(), link


def test_every_test_that_a_document_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text("SECURITY.md"))
    assert len(named) > 30
    assert [
        f"{path}::{test}" for path, test in named if not re.search(rf"def {test}\(" if test else "", text(path))
    ] == []


def test_the_procfile_starts_modules_that_exist() -> None:
    processes = dict(line.split(": ", 1) for line in text("Procfile").splitlines())
    assert set(processes) == {"web", "worker", "release"}
    for command in processes.values():
        module = re.fullmatch(r"python -m (\w+).*", command)
        assert module is not None
        assert (ROOT / module[1] / "__main__.py").exists()


def test_the_histograms_bounds_rise() -> None:
    assert list(BOUNDS) == sorted(set(BOUNDS))

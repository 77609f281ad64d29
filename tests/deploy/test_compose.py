"""compose.yaml: valid by Compose's own schema, and about files and variables that exist."""

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from mirror.variables import VARIABLES
from tests.programs import program

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deploy" / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def test_it_is_valid_by_the_schema_of_compose() -> None:
    check = [program("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_without_a_profile_web_worker_and_valkey_run() -> None:
    assert {name for name, service in SERVICES.items() if "profiles" not in service} == {"web", "worker", "valkey"}


def test_what_is_mounted_and_built_exists() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (FILE.parent / source).exists(), volume
    build = SERVICES["web"]["build"]
    assert (FILE.parent / build["context"] / build["dockerfile"]).exists()


def test_every_image_has_a_version_and_every_port_is_on_loopback() -> None:
    for name, service in SERVICES.items():
        if name not in {"web", "worker"}:
            assert re.search(r":v?\d[\w.-]*$", service["image"]), name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name


def test_the_variables_that_it_asks_for_are_the_mirrors_or_its_own() -> None:
    own = {"REQUIREMENTS", "POSTGRES_PASSWORD"}
    assert set(re.findall(r"\$\{(\w+)", FILE.read_text())) - {variable.name for variable in VARIABLES} == own


def test_valkey_keeps_what_was_acknowledged() -> None:
    options = SERVICES["valkey"]["command"]
    pairs = dict(zip(options[1::2], options[2::2], strict=True))
    assert (pairs["--appendonly"], pairs["--maxmemory-policy"]) == ("yes", "noeviction")
    assert "valkey:/data" in SERVICES["valkey"]["volumes"]


def test_prometheus_scrapes_the_web_process() -> None:
    config = yaml.safe_load((FILE.parent / "prometheus" / "prometheus.yml").read_text())
    (target,) = config["scrape_configs"][0]["static_configs"][0]["targets"]
    assert target == f"web:{SERVICES['web']['environment']['PORT']}"
    source = yaml.safe_load((FILE.parent / "grafana" / "provisioning" / "datasources" / "prometheus.yml").read_text())
    assert source["datasources"][0]["url"] == "http://prometheus:9090"

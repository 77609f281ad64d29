"""Scenario files on the disk: the shipped ones by name, any other by path."""

from pathlib import Path

from tools.simulator.errors import ScenarioError
from tools.simulator.scenario import Scenario, parse_scenario

SHIPPED = Path(__file__).parent / "scenarios"


def shipped_names() -> list[str]:
    return sorted(path.stem for path in SHIPPED.glob("*.json"))


def load_scenario(name_or_path: str) -> Scenario:
    """Load a shipped scenario by its name, or a file by its path. Raises ScenarioError."""
    shipped = shipped_names()
    path = SHIPPED / f"{name_or_path}.json" if name_or_path in shipped else Path(name_or_path)
    try:
        text = path.read_bytes()
    except OSError as error:
        if path.suffix == ".json" or not isinstance(error, FileNotFoundError):
            raise ScenarioError(f"{path}: cannot be read ({error.strerror}); check the path") from None
        raise ScenarioError(
            f'no shipped scenario is called "{name_or_path}", and no file is; '
            f"name one of {', '.join(shipped)}, or give the path of a scenario file"
        ) from None
    return parse_scenario(str(path), text)

"""What every process does first."""

import json

import pytest

from mirror import bootstrap
from mirror.settings import Settings


async def idle(_settings: Settings, _redis_url: str) -> int:
    return 0


def test_a_process_warns_at_its_start_of_a_variable_that_is_probably_misspelt(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    variables = {"REDIS_URL": "redis://127.0.0.1:1", "API_TOKENS": "hunter2", "LOG_FORMAT": "json"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("API_TOKEN", raising=False)
    assert bootstrap.run(idle) == 0
    (line,) = capfdbinary.readouterr().out.splitlines()
    told = json.loads(line)
    assert (told["level"], told["event"]) == ("warning", "settings.misspelt")
    assert "API_TOKEN?" in told["reason"]
    assert b"hunter2" not in line

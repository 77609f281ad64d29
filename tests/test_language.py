"""One name for one thing: the names that the glossary of CONTRIBUTING.md replaced do not come back."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHIPPED = ("service", "worker", "mirror")
# What must not be said, and what to say instead.
OLD_NAMES = {
    r"[Aa]cknowledger": "batch writer",
    r"[Nn]udger": "worker notifier",
    r"[Nn]arrator": "progress listener",
    r"class Keeper|Keeper\(": "Checkpoint",
    r"class Redeliveries|storage[./]redeliveries": "FailedAttempts, mirror.storage.failed_attempts",
    r"connection\.UNAVAILABLE|\*UNAVAILABLE": "StorageUnavailableError",
    r"mirror[./]tasks|tasks\.end": "mirror.stopping.cancel_and_wait",
    r"worker[./]story|story\.tell": "worker.delivery_log.log_outcomes",
    r"settle_memory": "tune_gc",
    r"is_a_state_left": "repeats_previous_state",
    r"(?<!name=\")\boffered_at\b": "first_attempt_at",
    r"webhook[./]direct|service[./]direct": "WebhookResource",
}
# Turns of phrase that had to be read twice.
OLD_PHRASES = (
    "And who ",
    "waits in vain",
    "in vain until",
    "By time the last word",
    "turn of the event loop are taken step by step",
    "there is nothing here for",
    "takes for granted",
)


def texts() -> Iterator[tuple[str, str]]:
    for folder in SHIPPED:
        for suffix in ("py", "lua"):
            for path in sorted((ROOT / folder).rglob(f"*.{suffix}")):
                yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
    for path in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))):
        if path.name != "CHANGELOG.md":
            yield path.name, path.read_text(encoding="utf-8")


@pytest.mark.parametrize("old", OLD_NAMES)
def test_no_old_name_comes_back(old: str) -> None:
    found = [name for name, text in texts() if re.search(old, text)]
    assert found == [], f"say {OLD_NAMES[old]}"


@pytest.mark.parametrize("phrase", OLD_PHRASES)
def test_no_sentence_that_had_to_be_read_twice_comes_back(phrase: str) -> None:
    assert [name for name, text in texts() if phrase in " ".join(text.split())] == []


def test_what_contributing_names_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:service|worker|mirror|tests|docs)/[\w./]*)`", text))
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []

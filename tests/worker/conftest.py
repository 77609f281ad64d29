"""The mirror of these tests, and what it logs."""

from collections.abc import Iterator

import pytest
import structlog
from structlog.typing import EventDict

from mirror.domain.incidents import Thresholds
from mirror.storage.store import Store
from tests.worker.support import Mirror


@pytest.fixture
def mirror(store: Store, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    return Mirror(store, monkeypatch, Thresholds(reviews=5, share=0.1))


@pytest.fixture
def lines() -> Iterator[list[EventDict]]:
    with structlog.testing.capture_logs() as lines:
        yield lines

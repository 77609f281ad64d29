"""What Sentry is told of an error: its type and its place, and nothing that was in it."""

import io
import json
import sys
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
import sentry_sdk
import structlog
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from mirror import logs
from mirror.settings import SettingsError
from mirror.telemetry import log_processors, sentry
from tests.conftest import StartService
from tests.support import READ, make_settings

DSN = "https://a-key@sentry.example/1"
TEXT = "Je ne reviendrai jamais"
SECRET = "a-token-that-nobody-may-see"


class Kept(Transport):
    """Keeps what would be sent."""

    sent: ClassVar[list[bytes]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.sent.append(envelope.serialize())


@pytest.fixture
def sent() -> Iterator[list[bytes]]:
    Kept.sent.clear()
    sentry.start(DSN, transport=Kept)
    logs.configure(make_settings(LOG_FORMAT="json"), io.TextIOWrapper(io.BytesIO()), [sentry.report])
    # Cached, the loggers of the modules would write there for ever.
    structlog.configure(cache_logger_on_first_use=False)
    yield Kept.sent
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)


def told(sent: list[bytes]) -> dict[str, Any]:
    (envelope,) = sent
    event: dict[str, Any] = json.loads(envelope.splitlines()[2])
    return event


def fail(content: str, token: str) -> None:
    author = {"author_name": content, "token": token}
    raise ValueError(f"cannot read {author}")


def test_an_error_is_told_by_its_type_and_place_and_without_what_was_in_it(sent: list[bytes]) -> None:
    try:
        fail(TEXT, SECRET)
    except ValueError:
        structlog.get_logger().exception("request.failed", request_id="r1", content=TEXT, path=f"/{SECRET}")
    event = told(sent)
    (error,) = event["exception"]["values"]
    assert error["type"] == "ValueError"
    assert error["stacktrace"]["frames"][-1]["function"] == "fail"
    assert event["tags"] == {"event": "request.failed", "request_id": "r1"}
    for word in (TEXT, SECRET, "author_name", "vars", "context_line", sys.argv[0]):
        assert word not in sent[0].decode(), word


async def test_an_error_in_a_request_carries_nothing_of_the_request(
    sent: list[bytes], start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_arguments: Any, **_options: Any) -> None:
        raise RuntimeError(f"{TEXT} {SECRET}")

    monkeypatch.setattr("service.api.reviews.reads.record", broken)
    service = await start_service()
    answer = await service.get("/reviews/34", headers={**READ, "Cookie": SECRET})
    assert answer.status == 500
    assert told(sent)["exception"]["values"][-1]["type"] == "RuntimeError"
    for word in (TEXT, SECRET, READ["Authorization"].split()[1], "Cookie", "headers"):
        assert word not in sent[0].decode(), word


def test_a_line_without_a_traceback_tells_nobody(sent: list[bytes]) -> None:
    structlog.get_logger().error("reconciliation.given_up", error=TEXT)
    assert sent == []


def test_it_is_off_without_a_dsn_and_refused_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    assert log_processors(make_settings()) == ()
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(SettingsError, match="SENTRY_DSN is set, but its packages are missing"):
        log_processors(make_settings(SENTRY_DSN=DSN))

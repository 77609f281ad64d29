"""Spans of a delivery, from its request to the outgoing webhook, and that they hold nothing personal or secret."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pytest_aiohttp import AiohttpClient

from mirror.settings import SettingsError
from mirror.storage import reads
from mirror.storage.store import Store
from mirror.telemetry import ids, start_tracing
from mirror.telemetry.tracing import Tracing
from service.app import make_app
from tests.conftest import Server, running_worker
from tests.support import API_TOKEN, Client, make_body, make_deletion, make_review, make_settings, send, wait_until
from tests.worker.outgoing.support import SECRET, add_endpoint, receiving

WEBHOOK_SECRET = "a-secret-in-the-url"
AUTHOR = "Marguerite Dubois-Lachance"
CONTENT = "Je ne reviendrai jamais dans ce magasin"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
async def traced(redis_url: str, exporter: InMemorySpanExporter, aiohttp_client: AiohttpClient) -> Client:
    settings = make_settings(PARTOO_WEBHOOK_SECRET=WEBHOOK_SECRET)
    app = make_app(settings, redis_url, Tracing(SimpleSpanProcessor(exporter)))
    return await aiohttp_client(Server(app, host="127.0.0.1"))


async def tell_a_story(traced: Client, store: Store, redis_url: str, exporter: InMemorySpanExporter) -> list[str]:
    """Send a review and its deletion at once, apply them, and tell a receiver; returns the delivery ids."""
    async with receiving() as receiver:
        url = receiver.url + "?token=a-secret-of-the-receiver"
        await add_endpoint(store, url, "ep1")
        path = f"/webhooks/partoo/{WEBHOOK_SECRET}"
        review = make_review(author_name=AUTHOR, content=CONTENT)
        bodies = [make_body(one) for one in (review, make_deletion(review), make_review(35, content=CONTENT))]
        answers = await asyncio.gather(*(send(traced, body, path) for body in bodies))
        settings = make_settings(OUTGOING_ALLOW_PRIVATE="on")
        worker_tracing = Tracing(SimpleSpanProcessor(exporter))
        async with running_worker(settings, redis_url, tracing=worker_tracing):
            await wait_until(lambda: _has_all(receiver.ids, 3))
        return [(await answer.json())["delivery_id"] for answer in answers]


async def _has_all(found: Sequence[str], count: int) -> bool:
    return len(found) >= count


def named(exporter: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if span.name == name]


async def test_one_trace_leads_from_the_request_to_the_outgoing_webhook(
    traced: Client, store: Store, redis_url: str, exporter: InMemorySpanExporter
) -> None:
    for delivery_id in await tell_a_story(traced, store, redis_url, exporter):
        trace = ids.trace_id(delivery_id)
        spans = {span.name: span for span in exporter.get_finished_spans() if span.context.trace_id == trace}
        assert set(spans) == {"POST /webhooks/partoo", "apply", "POST endpoint"}
        request = spans["POST /webhooks/partoo"]
        assert request.parent is None
        for name in ("apply", "POST endpoint"):
            parent = spans[name].parent
            assert parent is not None
            assert parent.span_id == request.context.span_id == ids.root_span_id(delivery_id)
        assert request.attributes is not None
        assert request.attributes["reviewmirror.delivery_id"] == delivery_id
        assert request.attributes["http.response.status_code"] == 200


async def test_a_batch_links_to_each_request_that_it_serves(
    traced: Client, store: Store, redis_url: str, exporter: InMemorySpanExporter
) -> None:
    delivery_ids = await tell_a_story(traced, store, redis_url, exporter)
    expected = {(ids.trace_id(one), ids.root_span_id(one)) for one in delivery_ids}
    for name in ("write", "apply batch"):
        batches = named(exporter, name)
        assert {(link.context.trace_id, link.context.span_id) for span in batches for link in span.links} == expected
    applied = {span.context.span_id for span in named(exporter, "apply batch")}
    for span in named(exporter, "apply"):
        assert span.links[0].context.span_id in applied
    for name in ("claim", "decide", "commit"):
        assert {span.parent.span_id for span in named(exporter, name) if span.parent} == applied


async def test_no_span_holds_a_text_a_name_or_a_secret(
    traced: Client, store: Store, redis_url: str, exporter: InMemorySpanExporter
) -> None:
    await tell_a_story(traced, store, redis_url, exporter)
    assert (await send(traced, b"not JSON", f"/webhooks/partoo/{WEBHOOK_SECRET}")).status == 200
    assert (await traced.post(f"/webhooks/partoo/{WEBHOOK_SECRET}", data=CONTENT.encode())).status == 401
    shown = "".join(span.to_json() for span in exporter.get_finished_spans())
    assert "signature_missing" in shown
    secrets = (WEBHOOK_SECRET, API_TOKEN, SECRET, "a-secret-of-the-receiver")
    for word in (*AUTHOR.split(), *CONTENT.split(), "Castorche", *secrets, "5409c35a97bbc544d8e26737"):
        assert len(word) < 5 or word not in shown, word


async def test_a_trace_that_is_not_sampled_is_sampled_nowhere(
    redis_url: str,
    store: Store,
    aiohttp_client: AiohttpClient,
    exporter: InMemorySpanExporter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    settings = make_settings(PARTOO_WEBHOOK_SECRET=WEBHOOK_SECRET)
    app = make_app(settings, redis_url, Tracing(SimpleSpanProcessor(exporter)))
    await tell_a_story(await aiohttp_client(Server(app, host="127.0.0.1")), store, redis_url, exporter)
    assert exporter.get_finished_spans() == ()


def test_a_log_line_about_a_delivery_names_its_trace() -> None:
    event = ids.add_trace_id(None, "info", {"event": "delivery.accepted", "delivery_id": "0192a4"})
    assert event["trace_id"] == f"{ids.trace_id('0192a4'):032x}"
    assert ids.add_trace_id(None, "info", {"event": "service.started"}) == {"event": "service.started"}


@pytest.mark.process  # in an interpreter of its own
def test_while_off_nothing_of_it_is_even_imported() -> None:
    code = (
        "import sys, service.app, worker.supervisor, mirror.bootstrap;"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'sentry_sdk', 'google'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_without_its_packages_the_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert start_tracing(make_settings()) is None
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(SettingsError, match="OTEL_EXPORTER_OTLP_ENDPOINT is set, but its packages are missing"):
        start_tracing(make_settings(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4318"))


async def test_an_exporter_that_nobody_answers_holds_up_nobody(
    redis_url: str, aiohttp_client: AiohttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    settings = make_settings(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    tracing = start_tracing(settings)
    assert tracing is not None
    client: Client = await aiohttp_client(Server(make_app(settings, redis_url, tracing), host="127.0.0.1"))
    assert (await send(client, make_body(make_review()))).status == 200
    started = asyncio.get_running_loop().time()
    await client.close()
    assert asyncio.get_running_loop().time() - started < 8


async def test_an_error_in_tracing_keeps_no_delivery_from_its_answer_and_its_effect(
    traced: Client, store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("no span")

    errors: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: errors.append(context))
    for method in ("request", "batch", "applied", "sent"):
        monkeypatch.setattr(Tracing, method, fail)
    failing = Tracing(SimpleSpanProcessor(InMemorySpanExporter()))
    path = f"/webhooks/partoo/{WEBHOOK_SECRET}"
    assert (await send(traced, make_body(make_review()), path)).status == 200
    assert (await send(traced, make_body(make_review(35)), path, X_Partoo_Webhook_Tryout="1")).status == 200
    async with running_worker(make_settings(), redis_url, tracing=failing):
        await wait_until(lambda: reads.record(store, 34))
    assert {str(context["exception"]) for context in errors} == {"no span"}

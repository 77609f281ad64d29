"""The project's own OpenAPI document: held to the router, to the error codes, and to what the service answers."""

import asyncio
import re
import tomllib
from pathlib import Path
from typing import Any

import hypothesis
import msgspec
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

from mirror import VERSION
from mirror.clock import now_ms
from mirror.storage import keys
from mirror.storage.store import Store
from service.api.openapi import ERRORS, document
from service.app import make_app
from service.app_keys import FEED_TAIL
from tests.service.support import START, apply
from tests.support import API_TOKEN, READ, Client, make_body, make_deletion, make_review, make_settings

ROOT = Path(__file__).parents[2]
SIGNATURES = "mirror/domain/signature.py"
DOCUMENT = document()
OPERATIONS = {
    (path, method): operation for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()
}
# For each path that can be read.
EXAMPLES = 12


def codes_of(operation: dict[str, Any]) -> dict[str, int]:
    """Return the error codes that an operation documents, with the status of each."""
    responses = operation["responses"].items()
    return {code: int(status) for status, response in responses for code in response.get("x-error-codes", [])}


async def test_the_document_is_open_to_everybody_and_tells_what_is_written_down(service: Client) -> None:
    answer = await service.get("/openapi.json")
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert await answer.json() == DOCUMENT


async def test_every_route_is_documented_and_everything_documented_is_a_route(dead_url: str) -> None:
    app = make_app(make_settings(), dead_url)
    routes = {(route.resource.canonical, route.method.lower()) for route in app.router.routes() if route.resource}
    # Pages for people: no part of the API.
    routes = {(path, method) for path, method in routes if path != "/" and not path.startswith("/console")}
    # The webhook's resource takes any method and many spellings. HEAD is GET without the body.
    webhook = {("/webhooks/partoo", "post"), ("/webhooks/partoo/{secret}", "post")}
    assert set(OPERATIONS) == webhook | {(path, method) for path, method in routes if method not in ("head", "*")}


def test_every_parameter_of_a_path_is_documented() -> None:
    for (path, _), operation in OPERATIONS.items():
        documented = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
        assert documented == set(re.findall(r"\{(\w+)\}", path))


def test_every_error_code_in_the_source_is_documented_with_its_status_and_none_else() -> None:
    source = "\n".join(path.read_text() for path in [*(ROOT / "service").rglob("*.py"), ROOT / SIGNATURES])
    answered = re.findall(r'(?:ServiceError|__init__)\(\s*(\d{3}),\s*"([a-z_]+)"', source)
    found = {code: int(status) for status, code in answered}
    found |= dict.fromkeys(re.findall(r'SignatureError\("([a-z_]+)"', source), 401)
    # Made from the status: what aiohttp raises, and what is not valid HTTP.
    found |= {"not_found": 404, "method_not_allowed": 405, "bad_request": 400, "not_ready": 503}
    assert {code: status for code, (status, _) in ERRORS.items()} == found
    documented: dict[str, int] = {}
    for operation in OPERATIONS.values():
        documented |= codes_of(operation)
    assert documented == found


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    text = msgspec.json.encode(DOCUMENT).decode()
    names = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert names == set(DOCUMENT["components"]["schemas"])


def test_reading_takes_a_token_and_nothing_else_does() -> None:
    with_token = {path for (path, _), operation in OPERATIONS.items() if operation["security"] == [{"token": []}]}
    reviews = {"/reviews", "/reviews/{id}", "/reviews/{id}/changes"}
    assert with_token == {*reviews, "/stats", "/incidents", "/feed", "/feed/stream", "/ratings"}


def test_the_version_is_that_of_the_project() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION


@pytest.fixture
async def mirrored(store: Store) -> None:
    """A mirror with some reviews, one with a history, one that cannot be read."""
    review = make_review(tags=[{"id": 25, "label": "food"}])
    stories = [(34, review), (34, make_deletion(review)), (34, review), (35, make_review(35)), (0, make_review(0))]
    await apply(store, *((one, START + number, make_body(each)) for number, (one, each) in enumerate(stories)))
    await store.redis.set(keys.record(35), b"garbage")
    # Alive for as long as a slow machine may take.
    await store.redis.zadd(keys.WORKERS, {"a-worker": now_ms() + 3_600_000})


@pytest.mark.usefixtures("mirrored")
@pytest.mark.parametrize("token", [API_TOKEN, "wrong", None], ids=["token", "wrong token", "no token"])
async def test_whatever_is_asked_the_service_answers_as_the_document_says(service: Client, token: str | None) -> None:
    """Schemathesis asks for what the document allows and for what it forbids, and compares the answers with it."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    url = str(service.make_url("/"))
    assert service.app is not None
    service.app[FEED_TAIL].stopping = True  # nobody is kept waiting

    def ask() -> None:
        schema = schemathesis.openapi.from_dict(DOCUMENT).include(method="GET")
        for result in schema.get_all_operations():
            assert isinstance(result, Ok)
            check(result.ok(), url, headers)

    await asyncio.to_thread(ask)


def check(operation: Any, url: str, headers: dict[str, str]) -> None:
    @hypothesis.settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True)
    @hypothesis.given(case=operation.as_strategy())
    def ask(case: schemathesis.Case[Any]) -> None:
        answer = case.call(base_url=url, headers=headers)
        # A cursor may be well-formed and of another time: that is documented too.
        # So may moments each for itself, and not together.
        if answer.status_code == 410 or case.path == "/ratings":
            case.validate_response(answer, excluded_checks=[positive_data_acceptance])
        else:
            case.validate_response(answer)

    ask()


@pytest.mark.usefixtures("mirrored")
@pytest.mark.parametrize("review_id", [34, 0, 35, 99])
@pytest.mark.parametrize("at", [None, "2025-09-12T08:00:00.001Z", "1999-01-01T00:00:00Z"])
async def test_what_is_there_and_what_is_not_is_shown_as_the_document_says(
    service: Client, review_id: int, at: str | None
) -> None:
    def ask() -> None:
        paths = schemathesis.openapi.from_dict(DOCUMENT)
        history = paths["/reviews/{id}/changes"]["GET"].Case(path_parameters={"id": review_id})
        review = paths["/reviews/{id}"]["GET"].Case(
            path_parameters={"id": review_id}, query={} if at is None else {"at": at}
        )
        for case in (review, history):
            # Review 35 cannot be read, and that is documented too.
            case.call_and_validate(
                base_url=str(service.make_url("/")), headers=READ, excluded_checks=[not_a_server_error]
            )

    await asyncio.to_thread(ask)

"""Every error that the service answers, in one JSON shape.

    ServiceError                   status, code, message, headers
      NotStoredError               503: Redis cannot store or read now; Partoo sends what got this again
      NearlyFullError              503: Redis nears its limit, and what is left of it is for the workers
      BusyError                    503: too many bodies are on their way at once

The answer is `{"error": {"code": "snake_case", "message": "…", "request_id": "…"}}`.
"""

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
import structlog
from aiohttp import web

from mirror.domain.record import CorruptError
from mirror.storage.durability import NotDurableError
from mirror.storage.errors import StorageUnavailableError
from service.requests import LOG_FACTS

RETRY_AFTER_S = 5
INTERNAL_ERROR = "an error of ours; it is in the log"
_CORRUPT = "what Redis holds of review {} cannot be read; record.corrupt in the log says why"

log = structlog.get_logger()


class ServiceError(Exception):
    """An error to answer: `code` is stable, `message` says what was wrong and what to do; `close` hangs up."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None, *, close: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})
        self.close = close


class NotStoredError(ServiceError):
    """Redis did not do what was asked of it."""

    def __init__(self, message: str) -> None:
        super().__init__(503, "unavailable", message, {"Retry-After": str(RETRY_AFTER_S)})


class NearlyFullError(ServiceError):
    """Redis could still store it, but nothing after it."""

    def __init__(self) -> None:
        message = "Redis is nearly full: new deliveries are refused until workers have made room; try again"
        super().__init__(503, "nearly_full", message, {"Retry-After": str(RETRY_AFTER_S)})


class BusyError(ServiceError):
    """What is on its way to this process would take more memory than it may."""

    def __init__(self) -> None:
        message = "too many bodies are on their way at once; try again"
        super().__init__(503, "busy", message, {"Retry-After": str(RETRY_AFTER_S)}, close=True)


def as_service_error(error: Exception) -> ServiceError:
    """Say what to answer when `error`, a ServiceError, kept something undone."""
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, NotDurableError):
        return NotStoredError(f"{error}; try again")
    return NotStoredError("Redis is away, full or too slow; try again")


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), status=status, headers=headers, content_type="application/json"
    )


def error_of(code: str, message: str, request_id: str) -> dict[str, dict[str, str]]:
    """Make the one shape of every error."""
    return {"error": {"code": code, "message": message, "request_id": request_id}}


def answer_to(request: web.Request, error: Exception) -> web.Response:
    """Make the answer to whatever a handler raised; what nobody foresaw is logged, and answered with 500."""
    if isinstance(error, ServiceError):
        return _answer(request, error)
    if isinstance(error, web.HTTPException):
        return _answer(request, _from_http(error))
    facts = request[LOG_FACTS]
    if isinstance(error, CorruptError):
        tell_corrupt(request, error)
        return _answer(request, ServiceError(500, "corrupt_record", _CORRUPT.format(error.review_id)))
    if isinstance(error, StorageUnavailableError):
        log.warning("redis.unavailable", error=repr(error), route=route_of(request), **facts)
        return _answer(request, as_service_error(error))
    log.error("request.failed", route=route_of(request), exc_info=error, **facts)
    return _answer(request, ServiceError(500, "internal_error", INTERNAL_ERROR))


def forget_frames(error: BaseException) -> None:
    """Let go of the frames that an answered error came through, and of the errors behind it.

    A delivery's body stands in them, and the error in the delivery: such a ring is only freed by the garbage collector,
    which comes seldom here.
    """
    following: BaseException | None = error
    while following is not None:
        following.__traceback__ = None
        behind, following.__context__ = following.__context__, None
        following = behind


def tell_corrupt(request: web.Request, error: CorruptError) -> None:
    """Log that a review cannot be read, in one line without a traceback: nothing in the code is at fault."""
    log.error(
        "record.corrupt", review_id=error.review_id, reason=error.problem, route=route_of(request), **request[LOG_FACTS]
    )


def route_of(request: web.Request) -> str:
    """Name the route, not the path: the path may hold the webhook's secret."""
    resource = request.match_info.route.resource
    # The webhook's resource is known to the router by another name than its path.
    return "unknown" if resource is None else resource.get_info().get("path", resource.canonical)


def _from_http(error: web.HTTPException) -> ServiceError:
    status = HTTPStatus(error.status)
    headers = {name: value for name, value in error.headers.items() if name in ("Allow", "Location")}
    return ServiceError(status, status.name.lower(), f"{status.phrase}: {status.description}", headers)


def _answer(request: web.Request, error: ServiceError) -> web.Response:
    body = error_of(error.code, error.message, request[LOG_FACTS]["request_id"])
    response = json_response(body, error.status, error.headers)
    if error.close:
        response.force_close()
    return response

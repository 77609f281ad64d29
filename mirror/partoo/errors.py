"""What asking Partoo may come to.

ApiError               the question is not answered; `str()` says why
ApiUnavailableError  now: a 5xx, a time-out, an answer that is cut off or contradicts itself; ask again later
RateLimitedError   429: ask again after `retry_after_s`
ApiRefusedError      as it is asked: the key is wrong or may not, nothing is there, or the question is malformed
"""

from http import HTTPStatus


class ApiError(Exception):
    pass


class ApiUnavailableError(ApiError):
    pass


class RateLimitedError(ApiUnavailableError):
    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"Partoo's API allows no more requests for {retry_after_s:g} s (429)")
        self.retry_after_s = retry_after_s


class ApiRefusedError(ApiError):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    @property
    def refuses_key(self) -> bool:
        """Whether no question will be answered with this key."""
        return self.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)

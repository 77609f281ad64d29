"""The errors of Redis, as the mirror sees them. redis-py's own are mapped here, and nowhere else.

    StorageUnavailableError      Redis is away, hung or full, or refuses: not the code's fault, and worth another try
      CommandRefusedError        Redis answered a command with an error

Every function that talks to Redis through `Store` raises StorageUnavailableError; docstrings name it only where they
say what has or has not been done by then. redis-py's error is its `__cause__`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import NoScriptError, OutOfMemoryError, RedisError, ResponseError, WatchError

# redis-py lets builtin OSErrors through.
_FOREIGN = (RedisError, OSError, TimeoutError)


class StorageUnavailableError(Exception):
    """Redis did not do what was asked of it; whether it did part of it is not known."""

    def __repr__(self) -> str:
        # Logs show what happened, not that it was mapped.
        return super().__repr__() if self.__cause__ is None else repr(self.__cause__)


class CommandRefusedError(StorageUnavailableError):
    """Redis answered with an error: the command has changed nothing."""


class _ScriptMissingError(CommandRefusedError, NoScriptError):
    """For redis-py itself, which then loads the script."""


def mapped(error: Exception) -> Exception:
    """Return the mirror's error for one of redis-py's; any other error is returned as it is."""
    if isinstance(error, WatchError | StorageUnavailableError) or not isinstance(error, _FOREIGN):
        # WatchError says that another client was faster: whoever watches a key catches it.
        return error
    kind = StorageUnavailableError
    if isinstance(error, NoScriptError):
        kind = _ScriptMissingError
    elif isinstance(error, ResponseError):
        kind = CommandRefusedError
    own = kind(*error.args)
    own.__cause__ = error
    return own


@contextmanager
def mapping() -> Iterator[None]:
    """Raise the mirror's errors in the place of redis-py's."""
    try:
        yield
    except _FOREIGN as error:
        own = mapped(error)
        if own is error:
            raise
        raise own from error


def is_outage(error: BaseException) -> bool:
    """Tell whether an error, be it redis-py's own, says that Redis is not available. arq's worker raises those."""
    return isinstance(error, (StorageUnavailableError, *_FOREIGN))


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error, be it redis-py's own, says that Redis is at its memory limit."""
    return isinstance(error, OutOfMemoryError) or isinstance(error.__cause__, OutOfMemoryError)

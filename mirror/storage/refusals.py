"""What Redis says when it refuses, in its own words, and what to do about it."""

import re
from collections.abc import Iterator

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,  # noqa: A004 - redis-py's, of which the refusal of a connection is one
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)

from mirror.storage.errors import CommandRefusedError, StorageUnavailableError
from mirror.storage.server import Finding

NO_ANSWER = "Redis does not answer"
_TOO_MANY_CLIENTS = "max number of clients reached"
# What follows the reason is OpenSSL's own; what precedes it names the server, and /readyz is open to all.
_CERTIFICATE = re.compile(r"certificate verify failed[^(]*[^(. ]")
# redis-py cuts these codes off. The first that fits counts.
_CUT_OFF: tuple[tuple[type[Exception], str], ...] = (
    (NoPermissionError, "NOPERM"),
    (OutOfMemoryError, "OOM"),
    (ReadOnlyError, "READONLY"),
    (BusyLoadingError, "LOADING"),
    (AuthenticationError, "WRONGPASS"),
)
# How Redis 6, and Redis 7 and Valkey, wrap an error that a script runs into.
_SCRIPT_BEFORE = re.compile(r"^Error running script.*@user_script: ?\d+: -?", re.DOTALL)
_SCRIPT_AFTER = re.compile(r",? ?script: (?:[0-9a-f]{40}, )?on @user_script:\d+\.?$")
_GRANT = "give the user of REDIS_URL what docs/operations.md lists under “Redis's user”"
_NO_CLUSTER = "take a server that is not in cluster mode (cluster-enabled no)"
_PRIMARY = "set REDIS_URL to the primary, or promote this one (REPLICAOF NO ONE)"
_REMEDIES = {
    "MISCONF": "see Redis's log for why it cannot save, free its disk; it takes writes again after the next save",
    "NOREPLICAS": "bring its replicas back, or lower min-replicas-to-write",
    "NOPERM": _GRANT,
    "READONLY": _PRIMARY,
    "MASTERDOWN": _PRIMARY,
    "CROSSSLOT": _NO_CLUSTER,
    "CLUSTERDOWN": _NO_CLUSTER,
    "MOVED": _NO_CLUSTER,
    "ASK": _NO_CLUSTER,
    "OOM": "raise maxmemory or take a larger plan; what was accepted is kept, and all goes on by itself",
    "LOADING": "wait: it is reading its data; all goes on by itself",
    "BUSY": "wait for the script that it runs, or end it (SCRIPT KILL)",
    "NOAUTH": "check the password in REDIS_URL",
    "WRONGPASS": "check the user and the password in REDIS_URL",
}


def own_words(error: BaseException) -> str | None:
    """Return what Redis answered to refuse a command or a connection; None if it gave no answer."""
    # redis-py wraps what refuses a connection.
    for one in _with_causes(error):
        text = str(one)
        if text == _TOO_MANY_CLIENTS:
            return f"ERR {text}"
        if text == "Authentication required.":
            return f"NOAUTH {text}"
        for kind, code in _CUT_OFF:
            if isinstance(one, kind):
                return f"{code} {_unwrapped(text)}"
        if isinstance(one, ResponseError | CommandRefusedError) and not isinstance(one, ConnectionError):
            return _unwrapped(text)
    return None


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    """Go from an error to the one behind it, redis-py's own before what the mirror made of it."""
    own = error.__cause__ if isinstance(error, StorageUnavailableError) else None
    following: BaseException | None = own or error
    while following is not None:
        yield following
        following = following.__cause__


def refusal(error: BaseException) -> Finding:
    """Say what Redis refuses, or that it does not answer, and what to do; `error` is StorageUnavailableError."""
    words = own_words(error)
    if words is None and (certificate := _CERTIFICATE.search(str(error))) is not None:
        return Finding(
            f"{NO_ANSWER}: {certificate[0]}",
            "give REDIS_URL the name that the certificate is for; REDIS_TLS_VERIFY=off where Redis signs its own",
        )
    if words is None:
        return Finding(NO_ANSWER, "check REDIS_URL, REDIS_TLS_VERIFY and whether the server is up")
    return Finding(f"Redis refuses what the mirror needs: {words}", _remedy(words))


def _unwrapped(text: str) -> str:
    return _SCRIPT_AFTER.sub("", _SCRIPT_BEFORE.sub("", text))


def _remedy(words: str) -> str:
    if "WAITAOF" in words:
        return "REDIS_WAIT_DISK=on needs Redis 7.2 or Valkey, with appendonly yes: have that, or set it to off"
    if _TOO_MANY_CLIENTS in words:
        return "raise maxclients or take a plan with more connections, or lower REDIS_MAX_CONNECTIONS"
    if "executing the script can't" in words or "ACL failure" in words:
        return _GRANT
    return _REMEDIES.get(words.partition(" ")[0], "see Redis's log, and docs/operations.md")

"""The tokens of API_TOKEN: who they belong to and what they allow."""

import hmac
import re
from collections.abc import Sequence
from enum import StrEnum

import msgspec

from mirror import parsing

FORMS = "must be tokens separated by commas, each either plain, without a colon, or name:scope:token"
# A plain token opens everything, as there was nothing else before tokens had scopes.
_PLAIN = "token"


class Scope(StrEnum):
    """What a token allows: `operate` includes `read`."""

    READ = "read"
    OPERATE = "operate"


class Token(msgspec.Struct, frozen=True):
    """One token: the name stands in log lines, the secret nowhere."""

    name: str
    scope: Scope
    secret: str

    def __repr__(self) -> str:
        """Show no secret in a traceback or a debugger's log."""
        return f"Token({self.name!r}, {self.scope.value!r})"

    def allows(self, scope: Scope) -> bool:
        return scope in (self.scope, Scope.READ)


def read_tokens(text: str) -> tuple[Token, ...]:
    """Read tokens separated by commas, plain ones and `name:scope:token`. Raises ValueError, which repeats no token."""
    parts = [part.strip() for part in text.split(",")]
    plain = list(dict.fromkeys(part for part in parts if ":" not in part))
    found: dict[str, Token] = {}
    for part in parts:
        token = _named(part) if ":" in part else _plain(part, plain.index(part) + 1)
        if found.setdefault(token.secret, token) != token:
            raise ValueError("gives the same token twice, under two names or with two scopes")
    scopes: dict[str, Scope] = {}
    if any(scopes.setdefault(token.name, token.scope) != token.scope for token in found.values()):
        raise ValueError("gives one name two scopes")
    return tuple(found.values())


def find(given: str, tokens: Sequence[Token]) -> Token | None:
    """Return the token that was given, or None.

    It is compared with each, in constant time: the time tells neither which one it is nor how much of it is right.
    """
    data = given.encode(errors="surrogateescape")
    found = [token for token in tokens if hmac.compare_digest(data, token.secret.encode())]
    return found[0] if found else None


def _plain(text: str, number: int) -> Token:
    try:
        return Token(_PLAIN if number == 1 else f"{_PLAIN}-{number}", Scope.OPERATE, parsing.token(text))
    except ValueError as error:
        raise ValueError(f"{error}, or several such tokens separated by commas") from None


def _named(text: str) -> Token:
    name, _, rest = text.partition(":")
    scope, _, secret = rest.partition(":")
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,40}", name):
        raise ValueError(f"{FORMS}; a name is 1 to 40 letters, digits or the characters . _ -")
    if scope not in set(Scope):
        raise ValueError(f"{FORMS}; a scope is {' or '.join(Scope)}")
    return Token(name, Scope(scope), parsing.token(secret))

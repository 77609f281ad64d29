"""Tokens in sessions: what stands for one there, and whose it is."""

import hashlib
import hmac
from collections.abc import Sequence

from mirror.tokens import Token


def fingerprint(token: Token) -> str:
    """Give what stands for a token in a session: it does not tell the token."""
    return hashlib.sha256(b"reviewmirror console\0" + token.secret.encode()).hexdigest()


def by_fingerprint(given: str, tokens: Sequence[Token]) -> Token | None:
    """Find the token that a session was begun with, None if it was withdrawn since."""
    found = [token for token in tokens if hmac.compare_digest(fingerprint(token), given)]
    return found[0] if found else None

"""Sessions in Redis, and the count of failed logins.

Redis holds neither a token nor a session id, only their hashes: whoever reads it cannot log in with what stands there.
"""

import hashlib
import secrets
from collections.abc import Sequence

import msgspec

from mirror.storage import keys
from mirror.storage.store import Store
from mirror.tokens import Token
from service.console.tokens import by_fingerprint, fingerprint

# Failed logins that are allowed within `keys.CONSOLE_ATTEMPTS_MS`, from one address and from all together.
ATTEMPTS_OF_ONE = 10
ATTEMPTS_OF_ALL = 200
_ALL = "all"


class Session(msgspec.Struct, frozen=True):
    """Somebody who is logged in: `key` names the session in Redis, `told` is what the last action had to say."""

    key: str
    token: Token
    told: str = ""


class Sessions:
    """All methods raise StorageUnavailableError."""

    def __init__(self, store: Store, tokens: Sequence[Token]) -> None:
        self._store = store
        self._tokens = tokens

    async def begin(self, token: Token) -> str:
        """Begin a session; returns the id that its cookie holds."""
        session_id = secrets.token_urlsafe(32)
        name = _key(session_id)
        async with self._store.redis.pipeline(transaction=True) as pipe:
            pipe.execute_command("HSET", name, "token", fingerprint(token))
            pipe.pexpire(name, keys.CONSOLE_SESSION_MS)
            await pipe.execute()
        return session_id

    async def find(self, session_id: str) -> Session | None:
        """Find a session; None if there is none (any more), or its token was withdrawn."""
        name = _key(session_id)
        found = await self._store.redis.execute_command("HGETALL", name)
        if b"token" not in found:
            return None
        token = by_fingerprint(found[b"token"].decode(), self._tokens)
        if token is None:
            await self._store.redis.delete(name)
            return None
        return Session(name, token, found.get(b"told", b"").decode())

    async def end(self, session_id: str) -> None:
        await self._store.redis.delete(_key(session_id))

    async def tell(self, session: Session, words: str) -> None:
        """Keep what an action had to say for the next page; the session lasts from now on."""
        async with self._store.redis.pipeline(transaction=True) as pipe:
            pipe.execute_command("HSET", session.key, "told", words)
            # Also where the session ended this moment: what is left of it then must not stay for ever.
            pipe.pexpire(session.key, keys.CONSOLE_SESSION_MS)
            await pipe.execute()

    async def was_told(self, session: Session) -> None:
        """Forget what was kept for the next page."""
        await self._store.redis.execute_command("HDEL", session.key, "told")

    async def may_try(self, address: str) -> bool:
        """Tell whether a login from an address may be tried now."""
        counts = await self._store.redis.mget([_attempts(address), _attempts(_ALL)])
        of_one, of_all = (int(count or 0) for count in counts)
        return of_one < ATTEMPTS_OF_ONE and of_all < ATTEMPTS_OF_ALL

    async def has_failed(self, address: str) -> None:
        """Count a failed login."""
        async with self._store.redis.pipeline(transaction=True) as pipe:
            for name in (_attempts(address), _attempts(_ALL)):
                pipe.incr(name)
                pipe.pexpire(name, keys.CONSOLE_ATTEMPTS_MS)
            await pipe.execute()


def _key(session_id: str) -> str:
    return keys.CONSOLE_SESSION_PREFIX + _hash(session_id)


def _attempts(address: str) -> str:
    return keys.CONSOLE_ATTEMPTS_PREFIX + (_ALL if address == _ALL else _hash(address))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()

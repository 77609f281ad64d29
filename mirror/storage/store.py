"""The mirror's handle on Redis: a client and the Lua scripts that change state in one step each."""

from pathlib import Path
from typing import Any

from arq.connections import ArqRedis

_LUA = Path(__file__).parent / "lua"


class Store:
    """`redis` serves the mirror's keys and arq's; the other attributes are the scripts of the same names."""

    def __init__(self, redis: ArqRedis) -> None:
        self.redis = redis
        # redis-py reloads a script that the server has forgotten, after a failover for instance.
        self.accept = self._script("accept")
        self.probe = self._script("probe")
        self.claim = self._script("claim")
        self.claim_verifications = self._script("claim_verifications")
        self.release_verification = self._script("release_verification")
        self.book_request = self._script("book_request")
        self.retry = self._script("retry")
        self.rebuild = self._script("rebuild")
        self.trim = self._script("trim")
        # Several files, one script: what a commit means for absences is much, and is done in the same step.
        self.commit = self._script("dead_letters", "absences", "commit")
        self.keep_dead_letter = self._script("dead_letters", "keep_dead_letter")
        self.check = self._script("check")
        self.tell_incident = self._script("tell_incident")
        self.close_incident = self._script("close_incident")
        self.endpoint_flush = self._script("endpoint_flush")
        self.hold = self._script("hold")

    def _script(self, *parts: str) -> Any:
        return self.redis.register_script("".join((_LUA / f"{part}.lua").read_text() for part in parts))

    async def close(self) -> None:
        await self.redis.aclose(close_connection_pool=True)

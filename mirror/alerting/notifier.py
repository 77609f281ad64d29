"""Tells the operator: one process of the fleet looks what is wrong, and posts what is new.

Every web and worker process runs one, and a lease in Redis makes one of them the one that looks. While Redis cannot be
written, the one that held it last goes on from memory, so that what happens to Redis is told once too.
"""

import asyncio
import os
import random
import secrets
import socket
import time
from collections.abc import Callable
from contextlib import suppress

import msgspec
import structlog

from mirror.alerting import messages
from mirror.alerting.conditions import LOST_WORKERS, NO_WORKER, REDIS, conditions, redis_condition, storing
from mirror.domain.notices import Condition, Notice, State, given_up, next_to_send, observe, sent, take
from mirror.domain.outgoing import Secret, retry_delay
from mirror.outgoing.client import OutgoingClient
from mirror.settings import Settings
from mirror.storage import notices
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.probe import WriteProbe, explain
from mirror.storage.store import Store

INTERVAL_S = 10.0
# A notice that nobody has taken for so long is given up.
GIVEN_UP_AFTER_MS = 86_400_000

log = structlog.get_logger()


class Target(msgspec.Struct, frozen=True):
    """Where notices go, in which form, and signed with what, if anything."""

    url: str
    slack: bool
    secrets: tuple[Secret, ...]


def target_of(settings: Settings) -> Target | None:
    """Tell where notices go; None where there is nobody to tell."""
    url, secret = settings.alert_webhook_url, settings.alert_webhook_secret
    if url is None:
        return None
    signing = () if secret is None else (Secret(secret),)
    return Target(url, messages.is_slack(url, settings.alert_format), signing)


def make_notifier(settings: Settings, store: Store, probe: WriteProbe) -> "Notifier | None":
    """Make the notifier of this process; None where there is nobody to tell."""
    target = target_of(settings)
    if target is None:
        return None
    client = OutgoingClient(allow_private=settings.outgoing_allow_private)
    return Notifier(store, probe, client, target, f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}")


class Notifier:
    """One for each process. `holder` names it in the lease; `guess` tells the time where Redis does not."""

    def __init__(self, store: Store, probe: WriteProbe, client: OutgoingClient, target: Target, holder: str) -> None:
        self._store = store
        self._probe = probe
        self._client = client
        self._target = target
        self._holder = holder
        self._leads = False
        self._written = True  # whether Redis has what is in memory
        self._state = State()
        self._full = False
        self._failures = 0
        self._not_before = 0.0  # monotonic, in seconds
        self._now: Callable[[], int] = store.clock.guess

    async def run(self) -> None:
        """Look and tell until cancelled."""
        try:
            while True:
                try:
                    await self.look()
                except Exception:
                    # Whatever it is, the operator is to learn of the rest.
                    log.exception("notices.failed")
                await asyncio.sleep(INTERVAL_S)
        finally:
            with suppress(StorageUnavailableError):
                await self._give_up()
            await self._client.close()

    async def look(self) -> None:
        """Look once what is wrong, and send what is due."""
        if not await self._lead():
            return
        found, unknown = await self._gather()
        before = self._state
        self._change(take(observe(before, found, self._now(), unknown), self._now()))
        await self._save()
        await self._send()

    async def _lead(self) -> bool:
        """Tell whether this process is the one to look: it holds the lease, or held it when Redis could be written."""
        try:
            if not self._written and self._leads:
                # What happened to Redis is known here alone; whoever leads now must learn of it.
                await notices.write(self._store, self._state)
                self._written = True
            self._leads = await notices.lead(self._store, self._holder)
            if self._leads:
                self._state = await notices.read(self._store)
        except StorageUnavailableError:
            self._written = False
        return self._leads

    async def _give_up(self) -> None:
        """Let another process look."""
        if self._leads:
            await notices.give_up(self._store, self._holder)

    async def _gather(self) -> tuple[list[Condition], tuple[str, ...]]:
        """Return what is wrong, and of what conditions nothing is known."""
        try:
            found, self._full = await storing(self._store, self._probe, was_full=self._full)
            others = await conditions(self._store, await self._store.now())
        except StorageUnavailableError as error:
            condition = redis_condition(await explain(self._store, error))
            return [condition], tuple(key for key in self._state.known if key != REDIS)
        if found is not None:
            # Nor can heartbeats be written, so that nothing is known of workers.
            of_others = [one for one in others if one.key not in (NO_WORKER, LOST_WORKERS)]
            return [redis_condition(found), *of_others], (NO_WORKER, LOST_WORKERS)
        # Where none is alive, those that were lost before are not back.
        return others, (LOST_WORKERS,) if any(one.key == NO_WORKER for one in others) else ()

    def _change(self, state: State) -> None:
        self._written = self._written and state == self._state
        self._state = state

    async def _save(self) -> None:
        if self._written:
            return
        try:
            if not await notices.save(self._store, self._holder, self._state):
                self._leads = False
            self._written = True
        except StorageUnavailableError:
            return

    async def _send(self) -> None:
        """Send what is due, one after the other, until one fails."""
        while self._leads and time.monotonic() >= self._not_before:
            notice = next_to_send(self._state, self._now())
            if notice is None:
                return
            answer = await self._client.send(
                self._target.url,
                messages.body_of(notice, slack=self._target.slack),
                notice.id,
                self._target.secrets,
                self._now(),
            )
            if answer.succeeded:
                self._failures = 0
                log.info("notice.sent", notice=notice.id, kind=notice.kind)
                self._change(sent(self._state, notice, self._now()))
            else:
                self._failed(notice, {"status": answer.status} if answer.status else {"error": answer.error})
            await self._save()

    def _failed(self, notice: Notice, words: dict[str, object]) -> None:
        self._failures += 1
        delay_s = retry_delay(self._failures, random.random()) / 1000  # noqa: S311 - spreads retries, hides nothing
        self._not_before = time.monotonic() + delay_s
        if self._now() - notice.at >= GIVEN_UP_AFTER_MS:
            log.error("notice.given_up", notice=notice.id, **words)
            self._change(given_up(self._state, notice))
        else:
            log.warning("notice.failed", notice=notice.id, retry_in_s=round(delay_s, 1), **words)

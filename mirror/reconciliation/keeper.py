"""Keeps where a run stands; a dry run keeps nothing."""

from collections.abc import Sequence

from mirror.storage import reconciliation
from mirror.storage.reconciliation import Position
from mirror.storage.store import Store


class Keeper:
    """`scope` is the name of the run's scope."""

    def __init__(self, store: Store, scope: str, position: Position, *, dry_run: bool) -> None:
        self._store = store
        self._scope = scope
        self._dry_run = dry_run
        self.position = position

    async def save(self, ids: Sequence[int] = ()) -> None:
        """Write the position, and the ids that the listing has shown since."""
        if not self._dry_run:
            await reconciliation.save(self._store, self._scope, self.position, ids)

    async def seen(self, search: int) -> set[int]:
        """Read the ids that a listing had shown when the run was interrupted."""
        return set() if self._dry_run else await reconciliation.seen(self._store, self._scope, search)

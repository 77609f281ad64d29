"""What the parts of one run share, and where the run stands."""

from collections.abc import Sequence
from dataclasses import dataclass

from mirror.partoo.patience import PatientReader
from mirror.reconciliation.ledger import Ledger
from mirror.reconciliation.listening import ProgressListener
from mirror.reconciliation.scope import Scope
from mirror.storage import reconciliation
from mirror.storage.reconciliation import Position
from mirror.storage.store import Store


class Checkpoint:
    """Stores the position of the run of a scope; a dry run stores nothing."""

    def __init__(self, store: Store, scope: str, position: Position, *, dry_run: bool) -> None:
        self._store = store
        self._scope = scope
        self._dry_run = dry_run
        self.position = position

    async def save(self, ids: Sequence[int] = ()) -> None:
        """Write the position, and the ids that the listing has shown since the last time."""
        if not self._dry_run:
            await reconciliation.save(self._store, self._scope, self.position, ids)

    async def seen(self, search: int) -> set[int]:
        """Read the ids that a listing had shown when the run was interrupted."""
        return set() if self._dry_run else await reconciliation.seen(self._store, self._scope, search)


@dataclass(frozen=True, slots=True)
class RunContext:
    store: Store
    reader: PatientReader
    scope: Scope
    checkpoint: Checkpoint
    ledger: Ledger
    listener: ProgressListener

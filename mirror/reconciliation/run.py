"""One reconciliation from beginning to end, or from where the last one of its scope was interrupted."""

from mirror.domain.record import Windows
from mirror.partoo.api import PartooApi
from mirror.partoo.patience import PatientReader
from mirror.partoo.search import SEARCHES
from mirror.reconciliation.absences import Absences
from mirror.reconciliation.context import Checkpoint, RunContext
from mirror.reconciliation.ledger import Ledger
from mirror.reconciliation.listening import ProgressListener
from mirror.reconciliation.scope import EVERYTHING, Scope
from mirror.reconciliation.sweep import SEARCH_NAMES, Sweep
from mirror.storage import counters, reconciliation
from mirror.storage.reconciliation import Position
from mirror.storage.store import Store


class Reconciliation:
    """Compares everything in a scope; `windows` are the deployment's."""

    def __init__(
        self,
        store: Store,
        api: PartooApi,
        listener: ProgressListener,
        windows: Windows,
        scope: Scope = EVERYTHING,
    ) -> None:
        self._store = store
        self._reader = PatientReader(api, listener.on_retry)
        self._listener = listener
        self._windows = windows
        self._scope = scope

    async def run(self, *, restart: bool = False, dry_run: bool = False) -> Position:
        """Compare everything in scope; gives what was counted. It may be cancelled, and is gone on with next time.

        A dry run finds and tells, but writes nothing, so that it cannot be gone on with.

        Raises BusyError while another runs, ApiError when Partoo cannot be asked.
        """
        if dry_run:
            return await self._run(Position(started_at=await self._store.now()), dry_run=True)
        async with reconciliation.alone(self._store):
            found = None if restart else await reconciliation.load(self._store, self._scope.name)
            if found is None:
                await reconciliation.clear(self._store, self._scope.name, len(SEARCHES))
            else:
                self._listener.on_resume(_where(found), found.page)
            position = await self._run(found or Position(started_at=await self._store.now()), dry_run=False)
            await reconciliation.clear(self._store, self._scope.name, len(SEARCHES))
            await counters.add(self._store, {"reconciliation:finished": 1})
            return position

    async def _run(self, position: Position, *, dry_run: bool) -> Position:
        checkpoint = Checkpoint(self._store, self._scope.name, position, dry_run=dry_run)
        ledger = Ledger(self._store, self._listener, self._windows, position.counts, dry_run=dry_run)
        context = RunContext(self._store, self._reader, self._scope, checkpoint, ledger, self._listener)
        sweep = Sweep(context)
        await sweep.run()
        await Absences(context).run(sweep.seen)
        return position


def _where(position: Position) -> str:
    return SEARCH_NAMES[position.search] if position.search < len(SEARCHES) else "absences"

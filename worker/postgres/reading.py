"""What the tables have to show of reviews, read from the mirror."""

from collections.abc import Collection, Mapping, Sequence

import msgspec
import structlog

from mirror.domain.changes import Change, Kind
from mirror.domain.record import CorruptError, Record
from mirror.postgres.database import Known
from mirror.postgres.rows import Rows, rows_added, rows_anew
from mirror.storage import feed, reads
from mirror.storage.store import Store

log = structlog.get_logger()


class Reflection(msgspec.Struct, frozen=True):
    """Rows to write, and the reviews of which no row is to be left."""

    rows: Sequence[Rows]
    gone: Sequence[int]


async def reflect(
    store: Store, review_ids: Sequence[int], known: Mapping[int, Known], anew: Collection[int]
) -> Reflection:
    """Work out what is to be written of reviews, of which `known` is written; of those in `anew`, all of it.

    What cannot be read of a review leaves its rows as they are.
    """
    rows: list[Rows] = []
    gone: list[int] = []
    for review_id, tail in zip(review_ids, await feed.tails(store, review_ids), strict=True):
        try:
            found = tail or await reads.record_and_changes(store, review_id)
            if found is None or found[0].forgotten_at is not None:
                gone.append(review_id)
            else:
                rows.append(await _rows(store, *found, known.get(review_id), anew=review_id in anew))
        except CorruptError as error:
            # No code of ours failed.
            log.error("postgres.unreadable", review_id=review_id, reason=error.problem)  # noqa: TRY400
    return Reflection(rows, gone)


async def _rows(store: Store, record: Record, tail: Sequence[Change], known: Known | None, *, anew: bool) -> Rows:
    if not anew and (known is None or _goes_on(record, tail, known)):
        added = rows_added(record, tail, 0 if known is None else known.version)
        if added is not None:
            return added
    whole = await reads.record_and_changes(store, record.id)
    if whole is None or whole[0].forgotten_at is not None:
        raise CorruptError(record.id, "it was erased while it was read")  # the feed will tell
    return rows_anew(*whole)


def _goes_on(record: Record, tail: Sequence[Change], known: Known) -> bool:
    """Tell whether the history goes on from what is written: a replay or a failover may have given it another."""
    if record.version < known.version:
        return False
    last = next((change for change in tail if change.version == known.version), None)
    return last is None or last.kind is Kind.TRIMMED or last.delivery_id == known.delivery_id

"""The mirrored reviews that no listing showed: Partoo is asked for those of each business again.

An absence is only taken for a deletion once two readings of the business's own listings, one right after the other,
held still and did not show the review either. Even then it may mean something else, so it is left as it is
- where an item of the listings cannot be read: it may be this one;
- where Partoo shows nothing of the business or, in it, of the review's partner: the key may not see the business any
  more, or the partner may no longer be connected;
- where it is new or has changed within a day: a search may not show it yet;
- where Partoo shows deleted reviews as deleted: had this one been deleted, it would stand among them.
"""

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

import msgspec

from mirror.domain.lifecycle import Status
from mirror.domain.record import Record
from mirror.domain.review import is_deleted, text_field
from mirror.partoo.answers import Page
from mirror.partoo.listing import Listing
from mirror.partoo.search import SEARCHES
from mirror.reconciliation.context import RunContext
from mirror.storage import reads

PASSES = 2
# Listings that shift are read again, but not for ever.
MAX_PASSES = 5
_STEP = 1_000

NO_BUSINESS = "Partoo cannot be asked for its business alone"
SHIFTED = "the listing shifted or was cut short each time it was read"
NOTHING_SHOWN = "Partoo shows nothing at all of its business"
NOTHING_OF_PARTNER = "Partoo shows nothing of its partner in its business"
ITEM_UNREADABLE = "an item of the listing cannot be read, and may be this one"
NOT_AMONG_DELETED = "Partoo shows deleted reviews, but not this one among them"


class _Sight(msgspec.Struct):
    """One reading of a business: when it began (ms), whether it held still, and what it showed.

    `items`: how many; `unreadable`: how many of them cannot be read; `partners`: of which a live review was shown.
    """

    began: int
    held_still: bool = True
    items: int = 0
    unreadable: int = 0
    partners: set[str] = msgspec.field(default_factory=set)


class Absences:
    def __init__(self, context: RunContext) -> None:
        self._context = context

    async def run(self, seen: set[int]) -> None:
        """Look into the reviews in scope that are mirrored as live and not among `seen`.

        Raises as `PatientReader.pages` does.
        """
        position = self._context.checkpoint.position
        groups: dict[str, list[int]] = defaultdict(list)
        async for record in self._unseen(seen):
            groups[text_field(record.review, "business_id")].append(record.id)
        unknown = [business for business in groups if not re.fullmatch(r"[^\s,]+", business)]
        for business in unknown:
            nameless = groups.pop(business)
            if not position.after_business:
                self._context.ledger.leave(nameless, NO_BUSINESS)
        todo = sorted(business for business in groups if business > position.after_business)
        if todo:
            self._context.listener.on_absences(sum(len(groups[business]) for business in todo), len(todo))
        for business in todo:
            await self._look_into(business, set(groups.pop(business)))
            position.after_business = business
            await self._context.checkpoint.save()

    async def _unseen(self, seen: set[int]) -> AsyncIterator[Record]:
        async for ids in self._ids():
            for start in range(0, len(ids), reads.SCAN_STEP):
                unseen = [one for one in ids[start : start + reads.SCAN_STEP] if one not in seen]
                for record in await reads.records(self._context.store, unseen):
                    if isinstance(record, Record) and self._is_candidate(record):
                        yield record

    async def _ids(self) -> AsyncIterator[list[int]]:
        for query in self._queries():
            after = -1
            while ids := await reads.ids(self._context.store, msgspec.structs.replace(query, after=after)):
                yield ids
                after = ids[-1]

    def _queries(self) -> list[reads.Query]:
        if self._context.scope.businesses:
            return [reads.Query(limit=_STEP, business_id=business) for business in self._context.scope.businesses]
        return [reads.Query(limit=_STEP, status=Status.LIVE)]

    def _is_candidate(self, record: Record) -> bool:
        """Tell whether a listing would have had to show it. What has had news since the run began needs no asking."""
        news = record.last_received_at >= self._context.checkpoint.position.started_at
        return record.status is Status.LIVE and not news and self._context.scope.covers(record)

    async def _look_into(self, business: str, absent: set[int]) -> None:
        still = 0
        sight = _Sight(await self._context.store.now())
        for _ in range(MAX_PASSES):
            sight = await self._read(business, absent)
            if not absent:
                return
            still = still + 1 if sight.held_still else 0
            if still == PASSES or sight.unreadable:
                break
        reason = self._reason_to_leave(sight, still)
        if reason is not None:
            self._context.ledger.leave(absent, reason)
            return
        ids = sorted(absent)
        for start in range(0, len(ids), reads.SCAN_STEP):
            found = await reads.records(self._context.store, ids[start : start + reads.SCAN_STEP])
            await self._enter([record for record in found if isinstance(record, Record)], sight)

    async def _enter(self, records: Sequence[Record], sight: _Sight) -> None:
        known = [record for record in records if text_field(record.review, "partner") in sight.partners]
        self._context.ledger.leave(
            {record.id for record in records} - {record.id for record in known}, NOTHING_OF_PARTNER
        )
        await self._context.ledger.enter_absences(known, sight.began)

    def _reason_to_leave(self, sight: _Sight, still: int) -> str | None:
        if sight.unreadable:
            return ITEM_UNREADABLE
        if still < PASSES:
            return SHIFTED
        if not sight.items:
            return NOTHING_SHOWN
        return NOT_AMONG_DELETED if self._context.checkpoint.position.shows_deleted else None

    async def _read(self, business: str, absent: set[int]) -> _Sight:
        """Read the business's listings, compare those of the absent that they show, and take them out of `absent`."""
        sight = _Sight(await self._context.store.now())
        for search in SEARCHES:
            listing = Listing()
            async for page in self._context.reader.pages({"business__in": business, **search}):
                listing.add(page)
                await self._look_at(page, sight, absent)
                if not absent:
                    return sight
            sight.held_still = sight.held_still and listing.held_still
        return sight

    async def _look_at(self, page: Page, sight: _Sight, absent: set[int]) -> None:
        found = absent.intersection(page.ids)
        await self._context.ledger.compare(page, found)
        absent -= found
        sight.items += page.items
        sight.unreadable += page.unreadable
        live = [review for review in page.reviews if not is_deleted(review)]
        sight.partners.update(text_field(review, "partner") for review in live)
        self._context.checkpoint.position.shows_deleted |= len(live) < len(page.reviews)

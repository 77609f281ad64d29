"""The tables in Postgres beside the mirror that they show, row by row, without what writes them."""

import asyncio
import time
from typing import Any

import msgspec
import psycopg

from mirror.domain.history import first_payload, records
from mirror.storage import feed, reads
from mirror.storage.store import Store

STEP = 200
REVIEWS = "SELECT id, version, status, certainty, business_id, partner, payload FROM reviews WHERE id = ANY(%s)"
CHANGES = (
    "SELECT review_id, version, kind, (extract(epoch FROM valid_from) * 1000)::bigint, "
    "(extract(epoch FROM valid_to) * 1000)::bigint, status, certainty, delivery_id, payload "
    "FROM review_changes WHERE review_id = ANY(%s)"
)


class Comparison(msgspec.Struct):
    """How many rows were compared, and what differs, one line each."""

    rows: int = 0
    differing: list[str] = []


async def compare(store: Store, url: str) -> Comparison:
    """Compare table by table; the tables must hold no review that the mirror does not."""
    found = Comparison()
    with psycopg.connect(url) as database:
        known: set[int] = set()
        after = -1
        while ids := await reads.ids(store, reads.Query(limit=STEP, after=after)):
            after = ids[-1]
            known.update(ids)
            reviews, changes = await rows_of_mirror(store, ids)
            for name, statement, expected in (("reviews", REVIEWS, reviews), ("review_changes", CHANGES, changes)):
                rows = {(row[0], row[1]): row for row in database.execute(statement, [ids])}
                found.rows += len(rows)
                found.differing += [
                    f"{name}: {key}" for key in {*rows, *expected} if rows.get(key) != expected.get(key)
                ]
        for name, column in (("reviews", "id"), ("review_changes", "review_id")):
            listed = database.execute(f"SELECT DISTINCT {column} FROM {name}".encode())  # noqa: S608 - names of ours
            found.differing += [f"{name}: {row[0]} is not mirrored" for row in listed if row[0] not in known]
    return found


async def compare_at_rest(store: Store, url: str, patience: float) -> Comparison:
    """Compare once the tables hold everything: a certainty without a change comes up to half a minute later."""
    deadline = time.monotonic() + patience
    await wait_until_up_to_date(store, url, patience)
    while (found := await compare(store, url)).differing and time.monotonic() < deadline:  # noqa: ASYNC110 - as above
        await asyncio.sleep(1)
    return found


async def rows_of_mirror(
    store: Store, review_ids: list[int]
) -> tuple[dict[tuple[int, int], Any], dict[tuple[int, int], Any]]:
    """Work out what the tables must hold of reviews, by id and version."""
    reviews, changes = {}, {}
    for review_id in review_ids:
        whole = await reads.record_and_changes(store, review_id)
        if whole is None:
            continue
        record, history = whole
        place = (str(record.review.get(name) or "") for name in ("business_id", "partner"))
        key = (record.id, record.version)
        reviews[key] = (*key, str(record.status), str(record.certainty), *place, record.review)
        states = records(first_payload(record, history), history)
        ends = [*(change.received_at for change in history[1:]), None]
        for change, state, end in zip(history, states, ends, strict=True):
            facts = (str(change.kind), change.received_at, end, str(state.status), str(change.certainty))
            key = (record.id, change.version)
            changes[key] = (*key, *facts, change.delivery_id, state.review)
    return reviews, changes


def is_up_to_date(url: str, end: str) -> bool:
    """Tell whether the tables hold everything up to a place in the feed."""
    try:
        with psycopg.connect(url) as database:
            return database.execute("SELECT cursor, filled_to FROM mirror_cursor").fetchall() == [(end, None)]
    except psycopg.errors.UndefinedTable:
        return False


async def wait_until_up_to_date(store: Store, url: str, patience: float) -> bool:
    """Wait until the tables hold everything; tells whether they do."""
    deadline = time.monotonic() + patience
    # Another process tells nobody when it has written.
    while not await asyncio.to_thread(is_up_to_date, url, str((await feed.bounds(store)).last)):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.1)
    return True

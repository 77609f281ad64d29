"""What becomes of a record's fields when its review changes, whoever tells of it. Performs no I/O."""

from typing import Any

import msgspec

from mirror.domain import previous_states
from mirror.domain.changes import difference
from mirror.domain.decisions import Case, with_delete_date
from mirror.domain.lifecycle import TRANSITIONS, Trigger

Updates = dict[str, Any]


def updated(case: Case, shown: dict[str, Any]) -> Updates:
    """Give the fields of the record of a live review that is shown otherwise."""
    record = case.record
    return _shown(case, shown) | previous_states.added(record, record.current, record.since, case.at)


def vanished(case: Case, deletion: dict[str, Any]) -> Updates:
    """Give the fields of the record of a live review that is reported deleted."""
    return _deleted(case, deletion) | {"last_live": case.record.review, "missing_since": case.at}


def deleted_again(case: Case, deletion: dict[str, Any]) -> Updates:
    """Give the fields of the record of a missing review whose deletion is reported otherwise."""
    record = case.record
    return _deleted(case, deletion) | previous_states.added(record, record.current, record.since, case.at)


def _deleted(case: Case, deletion: dict[str, Any]) -> Updates:
    record = case.record
    return {
        "status": TRANSITIONS[record.status, Trigger.DELETED],
        "review": deletion,
        "since": case.at,
        "delete_dates": with_delete_date(record.delete_dates, deletion),
    }


def returned(case: Case, shown: dict[str, Any]) -> Updates:
    """Give the fields of the record of a missing review that is shown again."""
    record = case.record
    if record.live is not None and difference(record.live.review, shown).fields:
        left = previous_states.added(record, record.live, record.live_since, record.missing_since or case.at)
        record = msgspec.structs.replace(record, **left)
    facts: Updates = {
        "last_live": None,
        "missing_since": None,
        "reappearances": record.reappearances + 1,
    }
    return _shown(case, shown) | facts | previous_states.added(record, record.current, record.since, case.at)


def _shown(case: Case, shown: dict[str, Any]) -> Updates:
    return {
        "status": TRANSITIONS[case.record.status, Trigger.SHOWN],
        "review": shown,
        "since": case.at,
        "live_since": case.at,
        "live_received_at": case.at,
    }

"""Fields as Partoo's API writes them, beside fields as its webhooks do. Performs no I/O.

A reading is merged into the review field by field. What means the same stays in the notation it had; what a reading
leaves out is not thereby removed. A field that only the API has is kept apart from the review (`Record.extra`), as no
webhook tells of it; it is shown with the review and is no change of it. Fields of the review as the API wrote them last
(`Record.read_fields`) keep that notation while webhooks say the same, or nothing, of them.
"""

from typing import Any, NamedTuple

import msgspec

from mirror.domain.record import Delivery, Record
from mirror.domain.review import is_deleted
from mirror.domain.values import is_empty, same

# developers.partoo.co, webhooks-events/review-updated: the review object. `media_links` is left out: it stands there
# sometimes only. Those that can become empty at Partoo come first; where a reading shows another as empty, the API does
# not write it.
_ERASABLE = frozenset({"author_name", "delete_date", "rating", "recommended", "title", "content", "comments", "tags"})
_DOCUMENTED = _ERASABLE | {"key", "org_id", "id", "business_id", "partner", "partner_id", "date", "update_date"}
_DOCUMENTED |= {"state", "link"}


class Merged(NamedTuple):
    """A review with a reading merged into it, and what is remembered of the API's fields then."""

    review: dict[str, Any]
    extra: dict[str, Any]
    read_fields: tuple[str, ...]


def merge(record: Record, base: dict[str, Any], reading: dict[str, Any]) -> Merged:
    """Merge a reading into `base`: the review, or its last live snapshot where the reading shows it again."""
    review, extra = dict(base), dict(record.extra)
    read = [name for name in record.read_fields if name in base]
    for name, value in reading.items():
        if name in review:
            if same(name, review[name], value) or (is_empty(value) and name not in _ERASABLE):
                continue
        elif is_empty(value):
            continue
        elif name not in _DOCUMENTED:
            extra[name] = value
            continue
        review[name] = value
        read.append(name)
    return Merged(review, extra, tuple(dict.fromkeys(read)))


def adopt(record: Record, delivery: Delivery) -> tuple[Record, Delivery]:
    """Read a webhook's payload beside what only the API has told, so that a difference in notation is no change."""
    if not record.read_fields and not record.extra:
        return record, delivery
    shown = delivery.review
    base = record.review if is_deleted(shown) or record.last_live is None else record.last_live
    kept = {name: base[name] for name in record.read_fields if name in base and _still_holds(name, base, shown)}
    said = {name: value for name, value in shown.items() if not _adds_nothing(name, value, base)}
    extra = {name: value for name, value in record.extra.items() if name not in shown}
    updates: dict[str, Any] = {"read_fields": tuple(kept), "extra": extra}
    return (
        msgspec.structs.replace(record, **updates),
        msgspec.structs.replace(delivery, review={**said, **kept}),
    )


def _adds_nothing(name: str, value: Any, base: dict[str, Any]) -> bool:
    """Tell whether a webhook only says that a field is empty which the API had left out for that."""
    return name not in base and name in _DOCUMENTED and is_empty(value)


def _still_holds(name: str, base: dict[str, Any], shown: dict[str, Any]) -> bool:
    if name in shown:
        return same(name, base[name], shown[name])
    return name != "delete_date" or is_deleted(shown)

"""What a mirror shows of each review, against what is true of it. Performs no I/O."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tools.simulator.population.truth import is_deleted

_LIVE = "live"
_SHOWN_FIELDS = 3
_SHOWN_CHARS = 60


class Verdict(StrEnum):
    EQUAL = "equal"
    WRONG_STATUS = "wrong_status"
    WRONG_PAYLOAD = "wrong_payload"
    NOT_MIRRORED = "not_mirrored"
    UNKNOWN = "unknown"
    """Mirrored, and unknown to the truth."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one review; `detail` says how it differs, for people."""

    review_id: int
    verdict: Verdict
    detail: str = ""


def compare(truth: Mapping[int, Mapping[str, Any]], mirror: Mapping[int, Mapping[str, Any]]) -> Iterator[Finding]:
    """Compare the true reviews with the mirror's entries (`{"status", "review", …}`), both by id, in order of ids."""
    for review_id in sorted(truth.keys() | mirror.keys()):
        if review_id not in mirror:
            yield Finding(review_id, Verdict.NOT_MIRRORED, "the mirror does not show it")
        elif review_id not in truth:
            yield Finding(review_id, Verdict.UNKNOWN, f"the mirror shows it {mirror[review_id].get('status')}")
        else:
            yield _compare_one(review_id, truth[review_id], mirror[review_id])


def _compare_one(review_id: int, true: Mapping[str, Any], entry: Mapping[str, Any]) -> Finding:
    deleted, status = is_deleted(true), entry.get("status")
    if deleted is (status == _LIVE):
        detail = f"the mirror says {status}, in truth it is {'deleted' if deleted else _LIVE}"
        return Finding(review_id, Verdict.WRONG_STATUS, detail)
    mirrored = entry.get("review")
    if not isinstance(mirrored, Mapping):
        return Finding(review_id, Verdict.WRONG_PAYLOAD, "the mirror shows no review object")
    differing = differing_fields(true, mirrored)
    if not differing:
        return Finding(review_id, Verdict.EQUAL)
    shown = [f"{name}: {_short(mirrored, name)}, in truth {_short(true, name)}" for name in differing[:_SHOWN_FIELDS]]
    more = len(differing) - len(shown)
    return Finding(review_id, Verdict.WRONG_PAYLOAD, "; ".join(shown) + (f"; and {more} more" if more else ""))


def differing_fields(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Name the fields in which two review objects differ; an absent field is not one that is null."""
    return [
        name
        for name in {**one, **other}
        if (name in one) is not (name in other) or canonical(one[name]) != canonical(other[name])
    ]


def canonical(value: Any) -> str:
    """Write a JSON value so that equal ones, and only they, give equal texts; to Python, 1, 1.0 and true are equal."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _short(review: Mapping[str, Any], name: str) -> str:
    if name not in review:
        return "(absent)"
    text = canonical(review[name])
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"

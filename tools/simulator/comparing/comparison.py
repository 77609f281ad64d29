"""What a mirror shows of each review, against what is true of it. Performs no I/O."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tools.simulator.comparing.values import canonical, differing_fields
from tools.simulator.population.truth import is_deleted

_LIVE = "live"
_SHOWN_FIELDS = 3
_SHOWN_CHARS = 60


class Certainty(StrEnum):
    """How far the mirror says that it can vouch for a review; a mirror need not say so."""

    PROVEN = "proven"
    UNPROVEN = "unproven"
    AMBIGUOUS = "ambiguous"
    UNTOLD = "untold"


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
    certainty: Certainty = Certainty.UNTOLD


def compare(
    truth: Mapping[int, Mapping[str, Any]],
    mirror: Mapping[int, Mapping[str, Any]],
    ignored: frozenset[str] = frozenset(),
) -> Iterator[Finding]:
    """Compare the true reviews with the mirror's entries (`{"status", "review", …}`), both by id, in order of ids.

    `ignored` are fields of the mirror's reviews that the truth knows nothing of.
    """
    for review_id in sorted(truth.keys() | mirror.keys()):
        entry = mirror.get(review_id)
        if entry is None:
            yield Finding(review_id, Verdict.NOT_MIRRORED, "the mirror does not show it")
            continue
        if review_id in truth:
            verdict, detail = _compare_one(truth[review_id], entry, ignored)
        else:
            verdict, detail = Verdict.UNKNOWN, f"the mirror shows it {entry.get('status')}"
        yield Finding(review_id, verdict, detail, certainty_of(entry))


def certainty_of(entry: Mapping[str, Any]) -> Certainty:
    told = entry.get("certainty")
    return Certainty(told) if isinstance(told, str) and told in list(Certainty) else Certainty.UNTOLD


def _compare_one(true: Mapping[str, Any], entry: Mapping[str, Any], ignored: frozenset[str]) -> tuple[Verdict, str]:
    deleted, status = is_deleted(true), entry.get("status")
    if deleted is (status == _LIVE):
        return Verdict.WRONG_STATUS, f"the mirror says {status}, in truth it is {'deleted' if deleted else _LIVE}"
    mirrored = entry.get("review")
    if not isinstance(mirrored, Mapping):
        return Verdict.WRONG_PAYLOAD, "the mirror shows no review object"
    differing = [name for name in differing_fields(true, mirrored) if name not in ignored]
    if not differing:
        return Verdict.EQUAL, ""
    shown = [f"{name}: {_short(mirrored, name)}, in truth {_short(true, name)}" for name in differing[:_SHOWN_FIELDS]]
    more = len(differing) - len(shown)
    return Verdict.WRONG_PAYLOAD, "; ".join(shown) + (f"; and {more} more" if more else "")


def _short(review: Mapping[str, Any], name: str) -> str:
    if name not in review:
        return "(absent)"
    text = canonical(review[name])
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"

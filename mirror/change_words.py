"""A change in words: what happened, and by which rule the mirror decided so. No I/O."""

from mirror.clock import span
from mirror.domain.changes import Certainty, Change, Kind, Source

# Why a change is ambiguous, by where its news came from.
_LATE_COPY = "it may be a late copy of an earlier delivery"
_IN_DOUBT = {
    Source.RECONCILIATION: "Partoo showed it nowhere, not even as deleted",
    Source.GRACE: "so was the news that it is missing",
}
_SOURCES = {
    Source.WEBHOOK: "A delivery from Partoo",
    Source.VERIFICATION: "Partoo's API, which was asked about this review",
    Source.RECONCILIATION: "Partoo's API, with which the mirror was compared",
    Source.REPLAY: "A replay of the raw deliveries by a later release",
    Source.GRACE: "A check of the mirror's own: no news from Partoo",
    Source.FORGET: "A demand to erase the review",
}
# Of deliveries that may be late copies: what each kind rests on.
_AMBIGUOUS = {
    Kind.REAPPEARED: "It is identical to the last live state, which was received not long before (REDELIVERY_WINDOW): "
    "a quick return, or a late copy of that delivery.",
    Kind.UPDATED: "It says what an earlier state said, at a time when a late copy of that was possible: a revert, or a "
    "delivery that was overtaken.",
    Kind.VANISHED: "Its delete_date lies before the clock of the state that it ends: a deletion, or a late copy of an "
    "earlier one.",
}
# Kinds that are always decided by the same rule.
_ALWAYS = {
    Kind.TRIMMED: "What came before was trimmed (HISTORY_RETENTION, or a history of more than 10,000 changes).",
    Kind.GONE: "It was still missing when its grace period was over (DELETION_GRACE). It may come back all the same.",
    Kind.CONFIRMED: "Partoo was asked and showed what was mirrored already, so it is not in doubt any more.",
}
_FIRST = "It was the first news of this review, so it cannot be a late copy of anything mirrored before."
_LISTED = "Partoo's own listing showed it so."
_UNPROVEN = "Neither a clock in it nor the time since the last delivery proves that it is news."
_PROVEN_DELETION = (
    "Its delete_date lies after the last delivery about the review, or so much time had passed since that one "
    "(LATE_WINDOW) that it cannot be a late copy."
)
_PROVEN = (
    "A clock in it is newer than all that was known, or so much time had passed since the last delivery (LATE_WINDOW) "
    "that it cannot be a late copy."
)
_APPLIED = " It was applied in the order of arrival."


def what(change: Change) -> str:
    """Say what happened in a few words, such as `reappeared, missing for 2 d`."""
    if change.kind is Kind.TRIMMED:
        return "older changes have been trimmed; the review was"
    words = change.kind.replace("_", " ")
    if change.missing_for is not None:
        words += f", missing for {span(change.missing_for)}"
    if change.kind is Kind.REAPPEARED and not change.fields:
        words += ", as it was before"
    return words


def doubt(change: Change) -> str:
    """Say in a few words what a change is in doubt about; "" where it is proven."""
    if change.ambiguous:
        return f"ambiguous: {_IN_DOUBT.get(change.source, _LATE_COPY)}"
    if change.certainty is not Certainty.PROVEN:
        return f"{change.certainty}: nothing in it shows that it is news"
    return ""


def source_words(change: Change) -> str:
    """Say where the news came from."""
    return _SOURCES[change.source]


def rule(change: Change) -> str:
    """Say by which rule the change was made, and is as certain as it is; in sentences."""
    if change.kind in _ALWAYS:
        return _ALWAYS[change.kind]
    if change.ambiguous:
        return _ambiguous(change) + _APPLIED
    if change.certainty is Certainty.UNPROVEN:
        return _UNPROVEN + _APPLIED
    if change.source in (Source.VERIFICATION, Source.RECONCILIATION):
        return _LISTED
    return {Kind.FIRST_SEEN: _FIRST, Kind.VANISHED: _PROVEN_DELETION}.get(change.kind, _PROVEN)


def _ambiguous(change: Change) -> str:
    if change.source in _IN_DOUBT:
        return f"It is in doubt: {_IN_DOUBT[change.source]}."
    return _AMBIGUOUS.get(change.kind, f"Much speaks for a late copy: {_LATE_COPY}.")

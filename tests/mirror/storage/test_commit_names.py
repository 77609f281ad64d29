"""The commit's script reads by names: neither side knows positions."""

import re
from pathlib import Path

import pytest

from mirror.domain.incidents import DEFAULT_THRESHOLDS
from mirror.storage import commit
from mirror.storage.absences import AbsenceRow, options

LUA = Path(commit.__file__).parent / "lua"
PARTS = ("names", "dead_letters", "absences", "commit")
SCRIPT = re.sub("--.*", "", "".join((LUA / f"{part}.lua").read_text() for part in PARTS))
KINDS = {
    "commit": "COMMIT",
    "change": "CHANGE",
    "count": "COUNT",
    "dead_letter": "DEAD_LETTER",
    "redelivery": "REDELIVERY",
    "absence_event": "EVENT",
}


def test_every_key_and_option_that_the_script_reads_is_sent_and_none_else() -> None:
    assert set(re.findall(r"\bKEY\.(\w+)", SCRIPT)) == set(commit.KEYS)
    sent = {*commit.OPTIONS, *options(DEFAULT_THRESHOLDS), "feed_length", "now", "retention", "oldest_kept"}
    assert set(re.findall(r"\bOPTIONS\.(\w+)", SCRIPT)) == sent


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_that_the_script_reads_is_sent_and_none_else(kind: str) -> None:
    read = set(re.findall(rf"\b{KINDS[kind]}\.(\w+)", SCRIPT))
    assert read == set(commit.FIELDS[kind])


def test_the_script_counts_neither_keys_nor_arguments() -> None:
    assert re.findall(r"#KEYS|#ARGV|KEYS\[\d|ARGV\[(?![12]\])", SCRIPT) == []


def test_rows_are_as_long_as_their_names() -> None:
    assert all(commit.FIELDS.values())
    assert commit.FIELDS["absence_event"] == AbsenceRow.__struct_fields__

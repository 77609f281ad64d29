import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.domain.changes import Source
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.storage import frames, inbox
from mirror.storage.frames import (
    FrameError,
    NewerFrameError,
    compress,
    decompress,
    decompress_or_same,
    plain_size,
)
from mirror.storage.inbox import Claim, batches
from mirror.storage.inbox_entries import body_of, decode_entry, encode_entry, plain_entry, plain_entry_size
from tests.support import make_body, make_review

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BODY = make_body(make_review(content="Très bon accueil, personnel souriant. " * 8))


@given(st.binary(max_size=4_000))
def test_whatever_is_compressed_comes_back(data: bytes) -> None:
    stored = compress(data)
    assert decompress(stored) == data
    assert plain_size(stored) == len(data)


def test_a_body_is_less_than_half_as_long_as_a_frame() -> None:
    assert len(compress(BODY)) < len(BODY) / 2


def test_a_frame_that_would_be_longer_is_not_written() -> None:
    noise = bytes(range(256)) + bytes(reversed(range(256)))
    assert compress(noise) is noise
    assert compress(b"{}") == b"{}"


def test_what_begins_as_a_frame_does_is_framed_however_long_that_is() -> None:
    data = compress(BODY)
    assert decompress(compress(data)) == data


def test_plain_json_of_earlier_releases_is_read() -> None:
    assert decompress(BODY) is BODY


def test_a_frame_is_read_by_zstd_with_the_dictionary_alone() -> None:
    frame = compress(BODY)
    dictionary = zstd.ZstdDict((frames.DICTIONARIES / "1.zstd-dict").read_bytes())
    assert (dictionary.dict_id, zstd.get_frame_info(frame).dictionary_id) == (1, 1)
    assert zstd.decompress(frame, zstd_dict=dictionary) == BODY


FRAME = compress(BODY)
BROKEN = {
    "cut": FRAME[:-3],
    "cut in its head": FRAME[:5],
    "with more behind it": FRAME + b"x",
    "twice": FRAME + FRAME,
    "spoiled": FRAME[:40] + b"\xff\xff\xff\xff" + FRAME[44:],
    "of no length": zstd.compress(b"x")[:4] + b"\x00\x58",
    "too long": b"\x28\xb5\x2f\xfd\xe0" + (2**40).to_bytes(8, "little"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_frame_is_told(name: str) -> None:
    with pytest.raises(FrameError):
        decompress(BROKEN[name])
    assert decompress_or_same(BROKEN[name]) == BROKEN[name]
    assert plain_size(BROKEN[name]) >= 0


def test_a_frame_of_a_newer_release_is_told_from_a_broken_one() -> None:
    newer = FRAME[:5] + b"\x02" + FRAME[6:]
    assert zstd.get_frame_info(newer).dictionary_id == 2
    with pytest.raises(NewerFrameError, match="by a newer release"):
        decompress(newer)


def make_entry(body: bytes = BODY, number: int = 0) -> Entry:
    return Entry(make_delivery_id(1_700_000_000_000, number), 1_700_000_000_000, Source.WEBHOOK, body)


def test_the_header_of_an_entry_stays_readable() -> None:
    entry = make_entry()
    data = encode_entry(entry)
    assert data.startswith(f'["{entry.delivery_id}"]\n'.encode())
    assert len(data) < len(BODY) / 2
    assert decode_entry(data) == entry
    assert body_of(data) == BODY
    assert plain_entry(data).endswith(b"\n" + BODY)
    assert plain_entry_size(data) == len(plain_entry(data))


def test_claims_are_worked_on_in_batches_by_their_size_without_compression(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "MAX_BYTES", 3 * len(BODY))
    entries = [encode_entry(make_entry(number=number)) for number in range(5)]
    claims = [Claim(1, None, entries), Claim(2, None, entries[:1]), Claim(3, None, entries[:1]), Claim(4, None, [])]
    found = [[(claim.review_id, len(claim.entries)) for claim in batch] for batch in batches(claims)]
    assert found == [[(1, 2)], [(2, 1), (3, 1), (4, 0)]]

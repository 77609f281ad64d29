"""Making a dictionary of made-up reviews, as the mirror would store them. Performs no I/O."""

import random
import sys
from collections.abc import Generator, Iterator
from itertools import chain

import msgspec

from mirror.domain.changes import Source
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.domain.record import DEFAULT_WINDOWS, Record
from mirror.domain.settling import settle
from tools.dictionary.reviews import Sentences, later, make_body, make_review

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SEED = 1
REVIEWS = 3_000
# Documents that stand in the dictionary as they are, behind all sentences. Of the pieces that `train_dict` would choose
# few are whole sentences: bodies with texts that it has never seen came out 7 % longer.
_WHOLE = 16
_LEVEL = 4
_MAX_BYTES = 64 * 1024
_NUMBER_AT = slice(4, 8)  # behind the magic number of a dictionary


def train(sentences: Sentences, number: int) -> bytes:
    """Make the dictionary with this number, which each frame that is written with it tells."""
    documents = list(samples(random.Random(SEED), sentences))  # noqa: S311 - made-up reviews
    texts = "\n".join(chain.from_iterable(chain.from_iterable(sentences.values()))).encode()
    content = zstd.ZstdDict(texts + b"".join(documents[:_WHOLE]), is_raw=True)
    found = bytearray(zstd.finalize_dict(content, documents, _MAX_BYTES, _LEVEL).dict_content)
    found[_NUMBER_AT] = number.to_bytes(4, "little")
    return bytes(found)


def samples(dice: random.Random, sentences: Sentences) -> Iterator[bytes]:
    """Give what Redis would hold of each review: bodies, records and changes."""
    for _ in range(REVIEWS):
        review = make_review(dice, sentences)
        record: Record | None = None
        at = dice.randrange(17 * 10**11, 18 * 10**11)
        for _ in range(2):
            entry = Entry(make_delivery_id(at, dice.getrandbits(48)), at, Source.WEBHOOK, make_body(review))
            yield entry.body
            record = yield from _stored(record, entry)
            review = later(dice, review, sentences)
            at += dice.randrange(30 * 86_400_000)


def _stored(record: Record | None, entry: Entry) -> Generator[bytes, None, Record | None]:
    settled = settle(record, [entry], DEFAULT_WINDOWS)
    yield msgspec.json.encode(settled.record)
    for change in settled.changes:
        yield msgspec.json.encode(change)
    return settled.record

"""How Redis holds records, changes and the bodies of raw deliveries: zstd frames, or plain JSON where that is shorter.

Each frame is written with a dictionary of typical reviews, as a review alone is too short to compress well, and tells
the number of that dictionary. What earlier releases wrote is plain JSON, and no JSON begins as a frame does.
"""

import sys
from functools import cache
from pathlib import Path

import msgspec

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# The dictionary that frames are written with. Those before it stay, to read what was written with them:
# `python -m tools.dictionary` makes another one.
DICTIONARY = 1
DICTIONARIES = Path(__file__).parent / "dictionaries"
_MAGIC = b"\x28\xb5\x2f\xfd"
# Below this nothing is gained.
_MIN_BYTES = 64
# More than anything that the mirror writes: what claims to be longer was not written by it.
MAX_BYTES = 256 * 1024 * 1024
_LEVEL = 4


class FrameError(msgspec.DecodeError):
    """These bytes begin as a frame, and cannot be read as one."""


class NewerFrameError(FrameError):
    """A frame was written with a dictionary that this release does not have: by a newer one."""


def compress(data: bytes) -> bytes:
    """Compress what is to be stored; gives it as it is where a frame would be no shorter."""
    # What begins like a frame would be read as one.
    must = data.startswith(_MAGIC)
    if len(data) < _MIN_BYTES and not must:
        return data
    compressor = _compressor()
    frame = compressor.compress(data, compressor.FLUSH_FRAME)
    return frame if must or len(frame) < len(data) else data


def decompress(data: bytes) -> bytes:
    """Give what was compressed. Raises FrameError."""
    if not data.startswith(_MAGIC):
        return data
    expected, number = _head(data)
    try:
        decompressor = zstd.ZstdDecompressor(_dictionary(number))
        plain = decompressor.decompress(data, max_length=expected)
    except (zstd.ZstdError, OSError) as error:
        raise _newer_or_broken(number, error) from None
    if len(plain) != expected or not decompressor.eof or decompressor.unused_data:
        raise FrameError("the frame is not whole")
    return plain


def decompress_or_same(data: bytes) -> bytes:
    """Give what was compressed; what cannot be read as it is."""
    try:
        return decompress(data)
    except FrameError:
        return data


def plain_size(data: bytes) -> int:
    """Tell how many bytes `decompress` gives, without doing it; of what cannot be read, as many as it is long."""
    try:
        return _head(data)[0] if data.startswith(_MAGIC) else len(data)
    except FrameError:
        return len(data)


def _head(frame: bytes) -> tuple[int, int]:
    """Read from the head of a frame the length of what it holds, and the number of its dictionary."""
    try:
        info = zstd.get_frame_info(frame)
    except zstd.ZstdError as error:
        raise FrameError(f"no head of a frame: {error}") from None
    # Not told by a frame that was written in pieces.
    length: int | None = info.decompressed_size
    if length is None or length > MAX_BYTES:
        raise FrameError("the frame does not tell a possible length")
    return length, info.dictionary_id


def _newer_or_broken(number: int, error: Exception) -> FrameError:
    if number > DICTIONARY:
        return NewerFrameError(f"it was written with dictionary {number}: by a newer release")
    return FrameError(f"broken frame: {error}")


@cache
def _dictionary(number: int) -> zstd.ZstdDict:
    return zstd.ZstdDict((DICTIONARIES / f"{number}.zstd-dict").read_bytes())


@cache
def _compressor() -> zstd.ZstdCompressor:
    options: dict[int, int] = {zstd.CompressionParameter.compression_level: _LEVEL}
    return zstd.ZstdCompressor(options=options, zstd_dict=_dictionary(DICTIONARY).as_digested_dict)

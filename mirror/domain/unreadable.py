"""What decoding raises for bytes that cannot be decoded. Performs no I/O."""

import msgspec

# msgspec leaves it at Python's own errors for texts that are not UTF-8, and for what nests too deep.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

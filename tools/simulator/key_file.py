"""A private key's file: one line, base64 of the key's 32-byte seed, for its owner's eyes alone."""

import base64
import binascii
import os
from pathlib import Path

from nacl.signing import SigningKey

from tools.simulator.errors import KeyFileError
from tools.simulator.keys import Signer

_SEED_BYTES = 32


def save_signer(signer: Signer, path: Path) -> None:
    """Write the private key (base64 of its 32-byte seed), readable by its owner alone.

    Raises KeyFileError if the file exists already: a key that a mirror trusts is never overwritten.
    """
    try:
        # Created with its mode, and only if absent: there is no moment at which others could read or race it.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyFileError(
            f"{path}: there is a file already, and a key is never overwritten. Show its public line with --show, "
            "or name another file with --file"
        ) from None
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be written ({error.strerror}). Name another file with --file") from None
    with os.fdopen(handle, "wb") as file:
        file.write(base64.b64encode(signer.key.encode()) + b"\n")


def load_signer(path: Path) -> Signer:
    """Read the private key that `save_signer` wrote. Raises KeyFileError if it is not there or not one."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise KeyFileError(
            f"{path}: there is no key here. Make one with: python -m tools.simulator key --file {path}"
        ) from None
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be read ({error.strerror}). Name another file") from None
    try:
        seed = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        seed = b""
    if len(seed) != _SEED_BYTES:
        raise KeyFileError(
            f"{path}: this is not a key of the simulator (one line, base64 of 32 bytes). "
            "Make one in another file with: python -m tools.simulator key --file FILE"
        )
    return Signer(SigningKey(seed))

"""Ed25519 signatures of webhook bodies. Performs no I/O: keys are arguments.

Partoo signs the raw body and sends the signature, base64, in the header `X-Partoo-Signature-v1`
(developers.partoo.co, webhooks/security). No time is signed: an old body with its signature stays valid for ever.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence

import msgspec
from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

# developers.partoo.co, webhooks/security
BUILT_IN_KEYS = {
    "production": "MCowBQYDK2VwAyEA0G9ciHL6XZQXuWq6W4dFLvwNEPWgcdtQgEVlBIwZWBQ=",
    "sandbox": "MCowBQYDK2VwAyEALsyvX2yVnG3ZKRIFfEvYk2nkzanoNgAqBSqdeNub4sM=",
}

# RFC 8410: what stands before the 32 bytes of the key in an Ed25519 SubjectPublicKeyInfo.
_SPKI_PREFIX = bytes.fromhex("302a300506032b6570032100")
_KEY_BYTES = 32
_SIGNATURE_BYTES = 64
_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----(.*?)-----END PUBLIC KEY-----", re.DOTALL)


class InvalidPublicKeyError(ValueError):
    """A configured text that is not an Ed25519 public key. The message does not repeat the text."""


class SignatureError(Exception):
    """The body is not vouched for. `code` is `signature_missing`, `signature_malformed` or `signature_wrong`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class PublicKey(msgspec.Struct, frozen=True):
    """A key that may verify a delivery; `name` is a short fingerprint, to tell in a log which of several did."""

    name: str
    verify_key: VerifyKey


def parse_public_keys(text: str) -> tuple[PublicKey, ...]:
    """Read one or more public keys: PEM blocks, or base64 SubjectPublicKeyInfo separated by commas, or both.

    Quotes are left out, and a literal backslash-n or backslash-r counts as a line end: environment files, and what
    copies out of them, write keys so. Raises InvalidPublicKeyError.
    """
    text = re.sub(r"""\\+[nr]|["']""", "\n", text)
    blocks = _PEM.findall(text)
    rest = _PEM.sub(",", text).split(",")
    keys = tuple(_parse_public_key(part) for part in [*blocks, *rest] if part.strip())
    if not keys:
        raise InvalidPublicKeyError("holds no key")
    return keys


def _parse_public_key(text: str) -> PublicKey:
    try:
        der = base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise InvalidPublicKeyError("is neither a PEM public key nor base64") from None
    if len(der) != len(_SPKI_PREFIX) + _KEY_BYTES or not der.startswith(_SPKI_PREFIX):
        raise InvalidPublicKeyError("is not the SubjectPublicKeyInfo of an Ed25519 key (44 bytes, base64)")
    point = der[len(_SPKI_PREFIX) :]
    if not crypto_core_ed25519_is_valid_point(point):
        # For a key of small order (RFC 8032, 5.1.7, leaves it to the application) one signature may fit every body.
        raise InvalidPublicKeyError("holds bytes that no key pair has: no point, not canonical, or of small order")
    return PublicKey(hashlib.sha256(der).hexdigest()[:8], VerifyKey(point))


def verify(keys: Sequence[PublicKey], body: bytes, signatures: Sequence[str]) -> PublicKey:
    """Return the key whose holder signed exactly these bytes; raise SignatureError, and nothing else, otherwise.

    `signatures` holds the text of each `X-Partoo-Signature-v1` header, of which there must be exactly one.
    """
    if not signatures:
        raise SignatureError("signature_missing", "the header X-Partoo-Signature-v1 is missing")
    if len(signatures) > 1:
        raise SignatureError("signature_malformed", "X-Partoo-Signature-v1 is there more than once")
    try:
        decoded = base64.b64decode(signatures[0], validate=True)
    except (ValueError, binascii.Error):
        raise SignatureError("signature_malformed", "X-Partoo-Signature-v1 is not base64") from None
    if len(decoded) != _SIGNATURE_BYTES:
        raise SignatureError("signature_malformed", "X-Partoo-Signature-v1 does not hold 64 bytes")
    for key in keys:
        try:
            key.verify_key.verify(body, decoded)
        except BadSignatureError:
            continue
        return key
    raise SignatureError("signature_wrong", "no configured public key vouches for this body")

"""Ed25519 keys: the private one signs as Partoo does, the public one reads as Partoo's own. Performs no I/O."""

import base64
from dataclasses import dataclass, field

from nacl.signing import SigningKey

# RFC 8410: the DER in front of every Ed25519 public key in a SubjectPublicKeyInfo.
_SPKI_PREFIX = bytes.fromhex("302a300506032b6570032100")


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key that signs bodies as Partoo does. It never shows itself in a repr."""

    key: SigningKey = field(repr=False)

    @classmethod
    def new(cls) -> "Signer":
        return cls(SigningKey.generate())

    @property
    def public_key(self) -> str:
        """The public key: base64 of its SubjectPublicKeyInfo."""
        return base64.b64encode(_SPKI_PREFIX + self.key.verify_key.encode()).decode()

    def sign(self, body: bytes) -> str:
        """Give the value of `X-Partoo-Signature-v1`: standard base64 of the signature over the raw body."""
        return base64.b64encode(self.key.sign(body).signature).decode()

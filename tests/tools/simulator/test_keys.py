import base64
import stat
from pathlib import Path

import pytest
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from tools.simulator.errors import KeyFileError
from tools.simulator.key_file import load_signer, save_signer
from tools.simulator.keys import Signer

PARTOO_PRODUCTION_KEY = "MCowBQYDK2VwAyEA0G9ciHL6XZQXuWq6W4dFLvwNEPWgcdtQgEVlBIwZWBQ="


def verify_key(public_key: str) -> VerifyKey:
    return VerifyKey(base64.b64decode(public_key, validate=True)[-32:])


def test_the_public_key_has_the_form_of_the_one_that_partoo_publishes() -> None:
    ours = base64.b64decode(Signer.new().public_key)
    partoos = base64.b64decode(PARTOO_PRODUCTION_KEY)
    assert len(partoos) == len(ours) == 44
    assert partoos[:12] == ours[:12]


def test_a_signature_verifies_with_the_public_key_and_with_no_other_body() -> None:
    signer = Signer.new()
    signature = base64.b64decode(signer.sign("Merci ❤️".encode()), validate=True)
    key = verify_key(signer.public_key)
    key.verify("Merci ❤️".encode(), signature)
    with pytest.raises(BadSignatureError):
        key.verify(b"Merci", signature)


def test_a_saved_key_is_the_same_key_when_loaded(tmp_path: Path) -> None:
    signer = Signer.new()
    save_signer(signer, tmp_path / "a.key")
    loaded = load_signer(tmp_path / "a.key")
    assert signer.public_key == loaded.public_key
    assert signer.sign(b"body") == loaded.sign(b"body")


def test_only_its_owner_can_read_a_saved_key(tmp_path: Path) -> None:
    save_signer(Signer.new(), tmp_path / "a.key")
    assert stat.S_IMODE((tmp_path / "a.key").stat().st_mode) == 0o600


def test_an_existing_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    path.write_text("precious")
    with pytest.raises(KeyFileError, match=r"a\.key: there is a file already"):
        save_signer(Signer.new(), path)
    assert path.read_text() == "precious"


def test_a_key_in_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"cannot be written \(No such file or directory\)"):
        save_signer(Signer.new(), tmp_path / "nowhere" / "a.key")


@pytest.mark.parametrize("text", [b"", b"not base64", b"\xff\xfe", base64.b64encode(b"too short")])
def test_a_file_that_is_no_key_says_so(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "a.key").write_bytes(text)
    with pytest.raises(KeyFileError, match=r"a\.key: this is not a key of the simulator"):
        load_signer(tmp_path / "a.key")


def test_a_missing_or_unreadable_key_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"there is no key here\. Make one with: python -m tools\.simulator key"):
        load_signer(tmp_path / "a.key")
    with pytest.raises(KeyFileError, match=r"cannot be read \(Is a directory\)"):
        load_signer(tmp_path)


def test_a_signer_never_shows_its_private_key() -> None:
    assert repr(Signer.new()) == "Signer()"

"""Ed25519 signatures: known answers, several keys and every way to write them, and forgeries of all kinds."""

import base64
import contextlib
import textwrap
from collections.abc import Iterator

import nacl.bindings
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.signing import SigningKey, VerifyKey

from mirror.domain.signature import (
    BUILT_IN_KEYS,
    InvalidPublicKeyError,
    PublicKey,
    SignatureError,
    parse_public_keys,
    verify,
)

SPKI_PREFIX = bytes.fromhex("302a300506032b6570032100")
BODY = b'{"type":"review_updated","payload":{"review":{"id":34}}}'
# The order of the group that signatures live in (RFC 8032, 5.1).
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493

# The prime of the field that a point's coordinates lie in: what is not below it is not canonical.
FIELD_PRIME = 2**255 - 19

# RFC 8032, 7.1: TEST 1, TEST 2, TEST 3 as secret key, public key, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]
# Every point of small order, in canonical and other encodings (libsodium, ed25519_ref10.c, ge25519_has_small_order).
SMALL_ORDER = [
    "00" * 32,
    "01" + "00" * 31,
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ec" + "ff" * 30 + "7f",
    "ed" + "ff" * 30 + "7f",
    "ee" + "ff" * 30 + "7f",
    "00" * 31 + "80",
    "01" + "00" * 30 + "80",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "ec" + "ff" * 31,
    "ed" + "ff" * 31,
    "ee" + "ff" * 31,
]

ONE, TWO, THREE = (SigningKey(bytes([number]) * 32) for number in (1, 2, 3))


def raw(point: bytes) -> str:
    """Write a public key as base64 SubjectPublicKeyInfo."""
    return base64.b64encode(SPKI_PREFIX + point).decode()


def written(key: SigningKey) -> str:
    return raw(key.verify_key.encode())


def pem(key: SigningKey, width: int = 64) -> str:
    lines = "\n".join(textwrap.wrap(written(key), width))
    return f"-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n"


def sign(key: SigningKey, body: bytes = BODY) -> str:
    return base64.b64encode(key.sign(body).signature).decode()


def refusal(keys: tuple[PublicKey, ...], body: bytes, *signatures: str) -> str:
    with pytest.raises(SignatureError) as refused:
        verify(keys, body, signatures)
    for signature in signatures:
        assert len(signature) < 8 or signature not in str(refused.value)
    return refused.value.code


KEYS = parse_public_keys(f"{written(ONE)},{written(TWO)}")


# Known answers, and which key vouches


@pytest.mark.parametrize(("secret", "public", "message", "signature"), RFC_8032)
def test_the_known_answers_of_rfc_8032_verify(secret: str, public: str, message: str, signature: str) -> None:
    keys = parse_public_keys(raw(bytes.fromhex(public)))
    header = base64.b64encode(bytes.fromhex(signature)).decode()

    assert verify(keys, bytes.fromhex(message), [header]) == keys[0]
    assert sign(SigningKey(bytes.fromhex(secret)), bytes.fromhex(message)) == header
    assert refusal(keys, bytes.fromhex(message) + b"\x00", header) == "signature_wrong"


def test_the_built_in_keys_are_those_that_partoo_publishes() -> None:
    assert BUILT_IN_KEYS == {
        "production": "MCowBQYDK2VwAyEA0G9ciHL6XZQXuWq6W4dFLvwNEPWgcdtQgEVlBIwZWBQ=",
        "sandbox": "MCowBQYDK2VwAyEALsyvX2yVnG3ZKRIFfEvYk2nkzanoNgAqBSqdeNub4sM=",
    }
    points = [parse_public_keys(text)[0].verify_key.encode().hex() for text in BUILT_IN_KEYS.values()]
    assert points == [
        "d06f5c8872fa5d9417b96aba5b87452efc0d10f5a071db50804565048c195814",
        "2eccaf5f6c959c6dd92912057c4bd89369e4cda9e836002a052a9d78db9be2c3",
    ]


def test_any_of_several_keys_may_vouch_and_the_answer_tells_which() -> None:
    assert verify(KEYS, BODY, [sign(ONE)]) is KEYS[0]
    assert verify(KEYS, BODY, [sign(TWO)]) is KEYS[1]
    assert refusal(KEYS, BODY, sign(THREE)) == "signature_wrong"


def test_while_a_key_is_rotated_both_vouch_and_afterwards_only_the_new_one() -> None:
    before, during, after = (parse_public_keys(",".join(map(written, keys))) for keys in ([ONE], [TWO, ONE], [TWO]))
    assert verify(before, BODY, [sign(ONE)]) == before[0]
    assert verify(during, BODY, [sign(ONE)]) == during[1]
    assert verify(during, BODY, [sign(TWO)]) == during[0]
    assert verify(after, BODY, [sign(TWO)]) == after[0]
    assert refusal(before, BODY, sign(TWO)) == "signature_wrong"
    assert refusal(after, BODY, sign(ONE)) == "signature_wrong"


def test_without_any_key_nobody_vouches() -> None:
    assert refusal((), BODY, sign(ONE)) == "signature_wrong"


def test_the_signature_is_over_the_raw_bytes_not_over_what_they_mean() -> None:
    assert refusal(KEYS, BODY.replace(b":", b": "), sign(ONE)) == "signature_wrong"
    assert refusal(KEYS, BODY + b"\n", sign(ONE)) == "signature_wrong"
    assert refusal(KEYS, BODY[:-1], sign(ONE)) == "signature_wrong"
    assert refusal(KEYS, b"", sign(ONE)) == "signature_wrong"


def test_an_empty_body_and_a_large_one_can_be_vouched_for() -> None:
    for body in (b"", b"\x00", bytes(1024 * 1024)):
        assert verify(KEYS, body, [sign(TWO, body)]) is KEYS[1]


# How keys are written


@pytest.mark.parametrize(
    "text",
    [
        f"{written(ONE)},{written(TWO)}",
        f" {written(ONE)} ,\n {written(TWO)} ,",
        f",,{written(ONE)},,{written(TWO)}",
        pem(ONE) + pem(TWO),
        pem(ONE) + "," + pem(TWO),
        pem(ONE).strip() + pem(TWO).strip(),
        (pem(ONE) + pem(TWO)).replace("\n", "\\n"),
        (pem(ONE) + pem(TWO)).replace("\n", "\r\n"),
        (pem(ONE) + pem(TWO)).replace("\n", "\\r\\n"),
        (pem(ONE) + pem(TWO)).replace("\n", "\\\\n"),
        (pem(ONE) + pem(TWO)).replace("\n", ""),
        (pem(ONE) + pem(TWO)).replace("\n", " "),
        '"' + (pem(ONE) + pem(TWO)).replace("\n", "\\n") + '"',
        f"'{pem(ONE)}{pem(TWO)}'",
        f'"{pem(ONE).strip()}","{pem(TWO).strip()}"',
        f"\"{written(ONE)}\", '{written(TWO)}'",
        pem(ONE, width=20) + pem(TWO, width=7),
        f"{pem(ONE)},{written(TWO)}",
        f"{pem(ONE)}{written(TWO)}",
        pem(ONE).replace("\n", "\\n") + written(TWO),
        written(ONE)[:30] + "\n" + written(ONE)[30:] + "," + written(TWO),
    ],
)
def test_two_keys_are_read_however_they_are_written(text: str) -> None:
    assert parse_public_keys(text) == KEYS


def test_of_a_mixture_every_key_is_read() -> None:
    keys = parse_public_keys(f"{written(ONE)},{pem(TWO)},{written(THREE)}")
    points = {key.verify_key.encode() for key in keys}
    assert points == {key.verify_key.encode() for key in (ONE, TWO, THREE)}
    assert len(keys) == 3


def test_the_name_of_a_key_tells_keys_apart_and_does_not_depend_on_how_it_is_written() -> None:
    assert KEYS[0].name != KEYS[1].name
    assert parse_public_keys(pem(ONE))[0].name == KEYS[0].name
    assert KEYS[0].name not in written(ONE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        ",",
        "\\n",
        "hunter2",
        "é" * 60,
        "\ud800",
        written(ONE)[:-1],
        written(ONE)[:-4],
        written(ONE).replace("M", "\u041c", 1),
        written(ONE) + " " + written(TWO),
        written(ONE) + written(TWO),
        written(ONE) + "," + "hunter2",
        written(ONE).replace("+", "-").replace("/", "_") + "_",
        base64.b64encode(ONE.verify_key.encode()).decode(),
        base64.b64encode(SPKI_PREFIX + bytes(31)).decode(),
        base64.b64encode(SPKI_PREFIX + bytes(33)).decode(),
        base64.b64encode(SPKI_PREFIX.replace(b"\x70", b"\x6e") + bytes(32)).decode(),  # X25519
        base64.b64encode(bytes(44)).decode(),
        pem(ONE).replace("PUBLIC", "PRIVATE"),
        pem(ONE).replace("END", "EDN"),
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
        pem(ONE) + "# Partoo's key",
    ],
)
def test_what_is_not_an_ed25519_public_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(InvalidPublicKeyError) as refused:
        parse_public_keys(text)
    message = str(refused.value)
    assert message
    assert "\n" not in message
    assert len(text.strip(" ,")) < 3 or text not in message
    assert "hunter2" not in message


# Headers


def test_a_missing_header_is_told_apart_from_a_wrong_one() -> None:
    assert refusal(KEYS, BODY) == "signature_missing"


@pytest.mark.parametrize("header", [sign(ONE), sign(THREE), ""])
def test_two_headers_are_malformed_even_when_the_first_is_right(header: str) -> None:
    assert refusal(KEYS, BODY, sign(ONE), header) == "signature_malformed"


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        "=",
        "====",
        "A",
        "é",
        "\ud800",
        "\udcff" * 88,
        "\x00" * 88,
        "\uff10" * 88,
        " " + sign(ONE),
        sign(ONE) + " ",
        sign(ONE) + "\n",
        sign(ONE)[:40] + " " + sign(ONE)[40:],
        sign(ONE)[:40] + "\r\n " + sign(ONE)[40:],
        sign(ONE).rstrip("="),
        sign(ONE) + "=",
        sign(ONE) + "A===",
        sign(ONE) + sign(ONE),
        sign(ONE) + "," + sign(ONE),
        "ed25519=" + sign(ONE),
        ONE.sign(BODY).signature.hex(),
        base64.urlsafe_b64encode(b"\xff" * 64).decode(),
        base64.b64encode(ONE.sign(BODY).signature[:63]).decode(),
        base64.b64encode(ONE.sign(BODY).signature + b"\x00").decode(),
        base64.b64encode(ONE.sign(BODY)).decode(),
        "A" * 100_000,
    ],
    ids=lambda header: ascii(header[:9]),
)
def test_a_header_that_is_not_base64_of_64_bytes_is_malformed(header: str) -> None:
    assert refusal(KEYS, BODY, header) == "signature_malformed"


# Forgeries


@pytest.mark.parametrize("place", [0, 31, 32, 63])
def test_a_signature_with_one_bit_changed_is_wrong(place: int) -> None:
    signature = bytearray(ONE.sign(BODY).signature)
    signature[place] ^= 1
    assert refusal(KEYS, BODY, base64.b64encode(signature).decode()) == "signature_wrong"


@pytest.mark.parametrize("times", [1, 2, 7, 14])
def test_a_signature_whose_scalar_is_not_reduced_is_wrong(times: int) -> None:
    signature = ONE.sign(BODY).signature
    scalar = int.from_bytes(signature[32:], "little") + times * GROUP_ORDER
    forged = signature[:32] + scalar.to_bytes(32, "little")
    assert refusal(KEYS, BODY, base64.b64encode(forged).decode()) == "signature_wrong"


def test_empty_signatures_are_wrong() -> None:
    for filler in (b"\x00", b"\x01", b"\xff"):
        assert refusal(KEYS, BODY, base64.b64encode(filler * 64).decode()) == "signature_wrong"


def forgeries(points: list[str]) -> Iterator[str]:
    for point in points:
        for scalar in (bytes(32), b"\x01" + bytes(31)):
            yield base64.b64encode(bytes.fromhex(point) + scalar).decode()


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_a_key_of_small_order_is_refused_in_every_encoding(point: str) -> None:
    with pytest.raises(InvalidPublicKeyError, match="no key pair has"):
        parse_public_keys(raw(bytes.fromhex(point)))


def test_a_key_that_is_not_written_canonically_is_refused() -> None:
    for number in range(19):
        for sign_bit in (0, 1 << 255):
            with pytest.raises(InvalidPublicKeyError, match="no key pair has"):
                parse_public_keys(raw((number + FIELD_PRIME | sign_bit).to_bytes(32, "little")))


@pytest.mark.parametrize("torsion", SMALL_ORDER[2:5])
def test_a_key_with_a_part_of_small_order_is_refused(torsion: str) -> None:
    mixed = nacl.bindings.crypto_core_ed25519_add(ONE.verify_key.encode(), bytes.fromhex(torsion))
    with pytest.raises(InvalidPublicKeyError, match="no key pair has"):
        parse_public_keys(raw(mixed))


def test_one_bad_key_among_good_ones_is_refused() -> None:
    with pytest.raises(InvalidPublicKeyError, match="no key pair has"):
        parse_public_keys(f"{written(ONE)},{raw(bytes(32))}")


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_even_if_a_key_of_small_order_got_in_nobody_could_sign_for_it(point: str) -> None:
    keys = (PublicKey("bad", VerifyKey(bytes.fromhex(point))),)
    for header in forgeries(SMALL_ORDER):
        for body in (BODY, b"", *(bytes([number]) for number in range(8))):
            assert refusal(keys, body, header) == "signature_wrong"


def test_nobody_can_sign_for_an_honest_key_with_points_of_small_order() -> None:
    for header in forgeries(SMALL_ORDER):
        assert refusal(KEYS, BODY, header) == "signature_wrong"


def test_bytes_that_are_no_point_at_all_are_no_key() -> None:
    no_points = [
        point
        for number in range(40)
        if not nacl.bindings.crypto_core_ed25519_is_valid_point(point := bytes([number, *[7] * 31]))
    ]
    assert no_points
    for point in no_points:
        with pytest.raises(InvalidPublicKeyError, match="no key pair has"):
            parse_public_keys(raw(point))


@settings(deadline=None, max_examples=100)
@given(
    st.binary(max_size=80),
    st.lists(st.text(st.characters(), max_size=100) | st.binary(max_size=70).map(base64.b64encode).map(bytes.decode)),
    st.lists(st.binary(min_size=32, max_size=32), max_size=2),
)
def test_nothing_but_a_signature_error_leaves_verify(body: bytes, headers: list[str], points: list[bytes]) -> None:
    keys = (*KEYS, *(PublicKey("any", VerifyKey(point)) for point in points))
    with pytest.raises(SignatureError) as refused:
        verify(keys, body, headers)
    assert refused.value.code in {"signature_missing", "signature_malformed", "signature_wrong"}


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_a_signature_vouches_for_its_own_body_and_no_other(body: bytes, other: bytes) -> None:
    assert verify(KEYS, body, [sign(TWO, body)]) is KEYS[1]
    if other != body:
        assert refusal(KEYS, other, sign(TWO, body)) == "signature_wrong"


@settings(deadline=None, max_examples=100)
@given(st.text(st.characters()) | st.binary(max_size=60).map(base64.b64encode).map(bytes.decode))
def test_nothing_but_an_invalid_public_key_error_leaves_the_parser(text: str) -> None:
    with contextlib.suppress(InvalidPublicKeyError):
        assert parse_public_keys(text)

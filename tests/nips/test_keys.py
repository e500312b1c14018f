"""BIP-340 and x-only ECDH, with lengths that the library would not check."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nips import keys
from nips.errors import InvalidKey
from nips.keys import PublicKey, SecretKey, parse_public_key, verify
from tests.support import vectors
from tests.support.strategies import secret_keys
from tests.support.wraps import AUTHOR, BRIDGE, drawn

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
FIELD = 2**256 - 2**32 - 977
OFF_CURVE = PublicKey("eefdea4cdb677750a420fee807eacf21eb9898ae79b9768766e4faa04a2d4a34")

ROWS = vectors.csv_cases(vectors.BIP340)


def _number(value: int) -> bytes:
    return value.to_bytes(32, "big")


@pytest.mark.parametrize("row", ROWS)
def test_bip340_verdict(row: dict[str, str]) -> None:
    public_key, message, signature = (bytes.fromhex(row[name]) for name in ("public key", "message", "signature"))
    assert verify(public_key, message, signature) == (row["verification result"] == "TRUE")


@pytest.mark.parametrize("row", ROWS)
def test_bip340_signature(row: dict[str, str]) -> None:
    if not row["secret key"]:
        return
    secret = SecretKey(bytes.fromhex(row["secret key"]))
    assert secret.public_key == row["public key"].lower()
    message, aux = bytes.fromhex(row["message"]), bytes.fromhex(row["aux_rand"])
    if len(message) == 32:
        assert secret.sign(message, aux).hex() == row["signature"].lower()
    else:
        with pytest.raises(ValueError, match="32 bytes"):
            secret.sign(message, aux)


@pytest.mark.parametrize("number", [1, 2, ORDER - 1])
def test_secret_key_is_a_number_below_the_order(number: int) -> None:
    assert SecretKey(_number(number)).reveal() == _number(number)


@pytest.mark.parametrize("raw", [_number(0), _number(ORDER), _number(ORDER + 1), b"\xff" * 32])
def test_secret_key_out_of_range_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidKey, match="group order"):
        SecretKey(raw)


@pytest.mark.parametrize("length", [0, 1, 31, 33, 64])
def test_secret_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(InvalidKey, match="32 bytes"):
        SecretKey(b"\x01" * length)


def test_secret_key_has_no_text_form() -> None:
    raw = AUTHOR.reveal()
    for text in (repr(AUTHOR), str(AUTHOR), f"{AUTHOR}", f"{AUTHOR!r:>99}", repr({"key": [AUTHOR]})):
        assert raw.hex() not in text.lower()
        assert repr(raw) not in text
        assert "hidden" in text


def test_secret_key_is_neither_pickled_nor_copied() -> None:
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            take(AUTHOR)


def test_secret_key_has_no_place_for_more() -> None:
    with pytest.raises(AttributeError):
        AUTHOR.note = "x"  # type: ignore[attr-defined]


def test_secret_keys_are_equal_when_their_bytes_are() -> None:
    twin = SecretKey(AUTHOR.reveal())
    negated = SecretKey(_number(ORDER - int.from_bytes(AUTHOR.reveal(), "big")))
    assert twin == AUTHOR
    assert hash(AUTHOR) == hash(twin)
    assert negated != AUTHOR
    assert negated.public_key == AUTHOR.public_key
    assert AUTHOR.reveal() != AUTHOR
    assert len({AUTHOR, twin, BRIDGE}) == 2


@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        b"a" * 64,
        ["a"] * 64,
        "",
        "a" * 63,
        "a" * 65,
        "A" * 64,
        "aB" * 32,
        "g" * 64,
        "a" * 64 + "\n",
        " " + "a" * 63,
        "aa " * 21 + "a",
        "0x" + "a" * 62,
        "\u0661" * 64,
        "\uff11" * 64,
        "\u00e9" * 64,
    ],
)
def test_public_key_of_another_form_is_refused(value: object) -> None:
    with pytest.raises(InvalidKey, match="64 lower-case hex"):
        parse_public_key(value)


def test_public_key_keeps_its_form() -> None:
    assert parse_public_key("0123456789abcdef" * 4) == "0123456789abcdef" * 4


@pytest.mark.parametrize("public_key", [AUTHOR.public_key, _number(1).hex()])
def test_secret_is_shared_with_what_is_on_the_curve(public_key: str) -> None:
    assert len(AUTHOR.shared_x(PublicKey(public_key))) == 32


@pytest.mark.parametrize("public_key", [OFF_CURVE, _number(0).hex(), _number(FIELD).hex(), "ff" * 32])
def test_no_secret_is_shared_with_what_is_not_on_the_curve(public_key: str) -> None:
    with pytest.raises(InvalidKey, match="not on the curve"):
        AUTHOR.shared_x(PublicKey(public_key))


@pytest.mark.parametrize("public_key", ["", "aa", "aa " * 21 + "a", "A" * 64, "x" * 64, "a" * 66])
def test_malformed_key_never_reaches_the_library(public_key: str) -> None:
    with pytest.raises(InvalidKey, match="64 lower-case hex"):
        AUTHOR.shared_x(PublicKey(public_key))


@pytest.mark.parametrize("message_length", [0, 1, 31, 33, 100])
def test_only_32_byte_messages_are_signed(message_length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        AUTHOR.sign(b"m" * message_length, drawn("aux"))


@pytest.mark.parametrize("aux_length", [0, 31, 33])
def test_only_32_bytes_of_randomness_are_taken(aux_length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        AUTHOR.sign(drawn("message"), b"r" * aux_length)


def test_randomness_makes_another_signature_that_is_as_good() -> None:
    message, public_key = drawn("message"), bytes.fromhex(AUTHOR.public_key)
    signatures = {AUTHOR.sign(message, drawn(label)) for label in ("a", "b", "a")}
    assert len(signatures) == 2
    assert all(verify(public_key, message, signature) for signature in signatures)


@pytest.mark.parametrize("cut", [0, 31, 33, 64])
def test_public_key_of_another_length_verifies_nothing(cut: int) -> None:
    message = drawn("message")
    signature = AUTHOR.sign(message, drawn("aux"))
    assert verify((bytes.fromhex(AUTHOR.public_key) * 2)[:cut], message, signature) is False


@pytest.mark.parametrize("cut", [0, 32, 63, 65, 128])
def test_signature_of_another_length_is_not_valid(cut: int) -> None:
    message = drawn("message")
    signature = AUTHOR.sign(message, drawn("aux"))
    assert not verify(bytes.fromhex(AUTHOR.public_key), message, (signature * 2)[:cut])


def test_every_flipped_bit_spoils_a_signature() -> None:
    message = drawn("message")
    public_key, signature = bytes.fromhex(AUTHOR.public_key), AUTHOR.sign(message, drawn("aux"))
    assert verify(public_key, message, signature)
    for bit in range(256):
        flip = 1 << bit
        assert not verify(_number(int.from_bytes(public_key, "big") ^ flip), message, signature)
        assert not verify(public_key, _number(int.from_bytes(message, "big") ^ flip), signature)
        for shift in (0, 256):
            flipped = int.from_bytes(signature, "big") ^ flip << shift
            assert not verify(public_key, message, flipped.to_bytes(64, "big"))


@given(secret_keys, secret_keys)
@settings(max_examples=50)
def test_both_sides_share_the_same_x(ours: SecretKey, theirs: SecretKey) -> None:
    shared = ours.shared_x(theirs.public_key)
    assert shared == theirs.shared_x(ours.public_key)
    assert len(shared) == 32


def test_shared_x_is_the_unhashed_coordinate() -> None:
    # One times a point is that point.
    assert SecretKey(_number(1)).shared_x(AUTHOR.public_key).hex() == AUTHOR.public_key


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=70))
@settings(max_examples=50)
def test_arbitrary_bytes_are_simply_not_valid(public_key: bytes, message: bytes, signature: bytes) -> None:
    assert not verify(public_key, message, signature)


class _FailingLibrary:
    """libsecp256k1, but one of its functions reports failure: with a valid key it never does."""

    def __init__(self, failing: str) -> None:
        self._failing = failing

    def __getattr__(self, name: str) -> Any:
        return (lambda *_: 0) if name == self._failing else getattr(_REAL_LIBRARY, name)


_REAL_LIBRARY = vars(keys)["lib"]


def test_failure_to_sign_is_never_taken_for_a_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "lib", _FailingLibrary("secp256k1_schnorrsig_sign"))
    with pytest.raises(RuntimeError, match="signing"):
        AUTHOR.sign(drawn("message"), drawn("aux"))


def test_failure_to_share_is_never_taken_for_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "lib", _FailingLibrary("secp256k1_ecdh"))
    with pytest.raises(RuntimeError, match="ECDH"):
        AUTHOR.shared_x(BRIDGE.public_key)


def test_points_that_are_remembered_are_bounded() -> None:
    points = vars(keys)["_points"]
    points.cache_clear()
    for number in range(1, points.cache_info().maxsize + 50):
        verify(_number(number), bytes(32), bytes(64))
    assert points.cache_info().currsize == points.cache_info().maxsize == 256


@given(st.lists(st.tuples(secret_keys, st.booleans()), min_size=1, max_size=8))
@settings(max_examples=30)
def test_remembered_point_gives_the_same_verdicts_and_secrets(uses: list[tuple[SecretKey, bool]]) -> None:
    points = vars(keys)["_points"]
    for secret, is_forged in uses * 2:
        message = drawn("message")
        signature = secret.sign(drawn("other") if is_forged else message, drawn("aux"))
        public = bytes.fromhex(secret.public_key)
        remembered = verify(public, message, signature), AUTHOR.shared_x(secret.public_key)
        points.cache_clear()
        assert remembered == (verify(public, message, signature), AUTHOR.shared_x(secret.public_key))
        assert remembered[0] is not is_forged

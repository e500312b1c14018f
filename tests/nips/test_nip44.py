"""NIP-44, version 2: every published vector, both length forms, and nothing malleable."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from hypothesis import given, settings
from hypothesis import strategies as st

from nips import nip44
from nips.errors import InvalidKey, InvalidPayload, NipError
from nips.keys import PublicKey, SecretKey
from tests.support import vectors
from tests.support.strategies import texts
from tests.support.wraps import AUTHOR, BRIDGE, STRANGER, drawn

ROOM = 20_000_000
KEY = drawn("conversation key")
NONCE = drawn("nonce")

# Lengths that the file of 2023 calls invalid and the text of 2026 gives a longer prefix.
NOW_VALID = {65_536, 100_000, 10_000_000}


def _published(*keys: str) -> list[Any]:
    def label(number: int, vector: Any) -> str:
        note = vector.get("note", "") if isinstance(vector, dict) else str(vector)
        return f"{number}-{note}".replace(" ", "_")

    return vectors.json_cases(vectors.NIP44, "v2", *keys, label=label)


@pytest.mark.parametrize("vector", _published("valid", "get_conversation_key"))
def test_conversation_key(vector: dict[str, str]) -> None:
    key = nip44.conversation_key(SecretKey(bytes.fromhex(vector["sec1"])), PublicKey(vector["pub2"]))
    assert key.hex() == vector["conversation_key"]


@pytest.mark.parametrize("vector", _published("invalid", "get_conversation_key"))
def test_no_conversation_with_a_key_that_is_none(vector: dict[str, str]) -> None:
    with pytest.raises(InvalidKey):
        nip44.conversation_key(SecretKey(bytes.fromhex(vector["sec1"])), PublicKey(vector["pub2"]))


@pytest.mark.parametrize("vector", _published("valid", "get_message_keys", "keys"))
def test_message_keys(vector: dict[str, str]) -> None:
    key = bytes.fromhex(vectors.document(vectors.NIP44)["v2"]["valid"]["get_message_keys"]["conversation_key"])
    found = nip44.message_keys(key, bytes.fromhex(vector["nonce"]))
    assert [part.hex() for part in found] == [vector["chacha_key"], vector["chacha_nonce"], vector["hmac_key"]]


@pytest.mark.parametrize("vector", _published("valid", "calc_padded_len"))
def test_padded_size(vector: list[int]) -> None:
    length, padded = vector
    assert nip44.padded_size(length) == padded


@pytest.mark.parametrize("vector", _published("valid", "encrypt_decrypt"))
def test_payload(vector: dict[str, str]) -> None:
    ours, theirs = (SecretKey(bytes.fromhex(vector[name])) for name in ("sec1", "sec2"))
    key = nip44.conversation_key(ours, theirs.public_key)
    assert key == nip44.conversation_key(theirs, ours.public_key) == bytes.fromhex(vector["conversation_key"])
    assert nip44.encrypt(vector["plaintext"], key, bytes.fromhex(vector["nonce"])) == vector["payload"]
    assert nip44.decrypt(vector["payload"], key, max_payload=ROOM) == vector["plaintext"]


@pytest.mark.parametrize("vector", _published("valid", "encrypt_decrypt_long_msg"))
def test_long_payload(vector: dict[str, Any]) -> None:
    key, text = bytes.fromhex(vector["conversation_key"]), vector["pattern"] * vector["repeat"]
    payload = nip44.encrypt(text, key, bytes.fromhex(vector["nonce"]))
    assert hashlib.sha256(text.encode()).hexdigest() == vector["plaintext_sha256"]
    assert hashlib.sha256(payload.encode()).hexdigest() == vector["payload_sha256"]
    assert nip44.decrypt(payload, key, max_payload=ROOM) == text


@pytest.mark.parametrize(
    ("length", "padded", "digest"),
    [
        (65_535, 65_536, "6d8c2810d1e870fbaa1f0a0937126cca837a15f9260e27060c331d70a3c0bc84"),
        (65_536, 65_536, "b7b4edb36ba92e267d322d56d9aebc22e7fa96ff52e3c12adc07f07a43cbc616"),
        (65_537, 81_920, "eeb7c7c5373894ea2c1547cfd3ccb15d5a0b2d619da852e5c79df792dcc9e435"),
    ],
)
def test_payload_around_the_longer_prefix(length: int, padded: int, digest: str) -> None:
    """The vectors in the text of NIP-44: the letter a, repeated."""
    key = bytes.fromhex("c41c775356fd92eadc63ff5a0dc1da211b268cbea22316767095b2871ea1412d")
    payload = nip44.encrypt("a" * length, key, (1).to_bytes(32, "big"))
    assert nip44.padded_size(length) == padded
    assert hashlib.sha256(payload.encode()).hexdigest() == digest
    assert nip44.decrypt(payload, key, max_payload=ROOM) == "a" * length


@pytest.mark.parametrize("length", _published("invalid", "encrypt_msg_lengths"))
def test_length_that_was_invalid(length: int) -> None:
    if length in NOW_VALID:
        assert nip44.decrypt(nip44.encrypt("x" * length, KEY, NONCE), KEY, max_payload=ROOM) == "x" * length
    else:
        with pytest.raises(InvalidPayload, match="1 to"):
            nip44.encrypt("x" * length, KEY, NONCE)


REASONS = {
    "unknown encryption version": "unsupported version",
    "unknown encryption version 0": "unsupported version",
    "invalid base64": "invalid base64",
    "invalid MAC": "invalid MAC",
    "invalid padding": "invalid padding",
    "invalid payload length": "invalid payload size",
}


@pytest.mark.parametrize("vector", _published("invalid", "decrypt"))
def test_invalid_payload(vector: dict[str, str]) -> None:
    with pytest.raises(InvalidPayload, match=REASONS[vector["note"].partition(":")[0]]):
        nip44.decrypt(vector["payload"], bytes.fromhex(vector["conversation_key"]), max_payload=ROOM)


def _payload_of(padded: bytes, *, version: int = 2, key: bytes = KEY) -> str:
    """Return an authentic payload around any bytes, well padded or not."""
    cipher_key, cipher_nonce, mac_key = nip44.message_keys(key, NONCE)
    ciphertext = Cipher(ChaCha20(cipher_key, bytes(4) + cipher_nonce), None).encryptor().update(padded)
    mac = hmac.digest(mac_key, NONCE + ciphertext, "sha256")
    return base64.b64encode(bytes([version]) + NONCE + ciphertext + mac).decode()


def _decrypted(payload: str) -> str:
    return nip44.decrypt(payload, KEY, max_payload=ROOM)


def _prefixed(prefix: str, size: int) -> bytes:
    head = bytes.fromhex(prefix)
    return head + b"x" * (size - len(head))


@pytest.mark.parametrize(
    "padded",
    [
        _prefixed("0000", 34),
        _prefixed("0021", 34),
        _prefixed("ffff", 34),
        _prefixed("0001", 35),
        _prefixed("0001", 66),
        _prefixed("0020", 66),
        _prefixed("0021", 34 + 33),
        _prefixed("000000000001", 38),
        _prefixed("000000000020", 38),
        _prefixed("00000000ffff", 65_542),
        _prefixed("000000010000", 65_541),
        _prefixed("000000010000", 65_543),
        _prefixed("000000010000", 65_538),
        _prefixed("000000010001", 65_542),
        _prefixed("0000ffffffff", 65_542),
    ],
    ids=lambda padded: f"{padded[:6].hex()}-{len(padded)}",
)
def test_padding_is_exactly_that_of_the_length(padded: bytes) -> None:
    with pytest.raises(InvalidPayload, match="invalid padding"):
        nip44.unpad(padded)
    with pytest.raises(InvalidPayload, match="invalid padding"):
        _decrypted(_payload_of(padded))


@pytest.mark.parametrize("prefix", ["0001", "0020", "000000010000"])
def test_prefix_of_the_right_length_opens(prefix: str) -> None:
    length = int(prefix, 16)
    padded = _prefixed(prefix, len(prefix) // 2 + nip44.padded_size(length))
    assert _decrypted(_payload_of(padded)) == "x" * length


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 6, 33])
def test_too_few_bytes_are_no_padding(size: int) -> None:
    for first in (0, 1):
        with pytest.raises(InvalidPayload, match="invalid padding"):
            nip44.unpad(bytes([0, first] + [255] * 31)[:size])


@given(st.binary(max_size=200))
@settings(max_examples=100)
def test_unpadding_arbitrary_bytes_raises_nothing_else(padded: bytes) -> None:
    try:
        text = nip44.unpad(padded)
    except InvalidPayload:
        return
    assert padded[2:].startswith(text)


@given(st.integers(1, 200_000))
@settings(max_examples=100)
def test_padding_comes_off_and_hides_length_in_steps(length: int) -> None:
    text = b"x" * length
    padded = nip44.pad(text)
    assert nip44.unpad(padded) == text
    assert len(padded) == nip44.padded_size(length) + (2 if length < 65_536 else 6)
    assert length <= nip44.padded_size(length) <= max(32, length * 5 // 4 + 32)
    assert nip44.padded_size(nip44.padded_size(length)) == nip44.padded_size(length)


def test_prefix_of_the_long_form_is_four_bytes() -> None:
    text = bytes(2**24 + 1)
    padded = nip44.pad(text)
    assert padded[:6] == bytes.fromhex("000001000001")
    assert nip44.unpad(padded) == text


@pytest.mark.parametrize("length", [0, -1])
def test_nothing_is_not_padded(length: int) -> None:
    with pytest.raises(ValueError, match="at least 1 byte"):
        nip44.padded_size(length)


class _Endless(bytes):
    """Bytes that claim to be as many as memory may not hold."""

    claimed = 2**32 - 1

    def __len__(self) -> int:
        return self.claimed


class _TooMany(_Endless):
    claimed = 2**32


def test_text_longer_than_the_format_is_refused() -> None:
    assert nip44.pad(_Endless()) == bytes.fromhex("0000ffffffff") + bytes(1)
    assert nip44.MAX_PLAINTEXT == 2**32 - 1
    with pytest.raises(InvalidPayload, match=r"2\^32"):
        nip44.pad(_TooMany())


@pytest.mark.parametrize("size", [0, 12, 31, 33])
def test_nonce_is_32_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        nip44.encrypt("x", KEY, b"n" * size)


@given(texts.filter(bool), st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
@settings(max_examples=100)
def test_text_comes_back(text: str, key: bytes, nonce: bytes) -> None:
    payload = nip44.encrypt(text, key, nonce)
    assert nip44.decrypt(payload, key, max_payload=len(payload)) == text


def test_third_party_reads_nothing() -> None:
    payload = nip44.encrypt("secret", nip44.conversation_key(AUTHOR, BRIDGE.public_key), NONCE)
    with pytest.raises(InvalidPayload, match="invalid MAC"):
        nip44.decrypt(payload, nip44.conversation_key(STRANGER, BRIDGE.public_key), max_payload=ROOM)


def test_every_flipped_bit_is_noticed() -> None:
    payload = nip44.encrypt("x", KEY, NONCE)
    raw = base64.b64decode(payload)
    assert len(raw) == 99
    for bit in range(len(raw) * 8):
        flipped = (int.from_bytes(raw, "big") ^ 1 << bit).to_bytes(99, "big")
        with pytest.raises(InvalidPayload, match=r"invalid MAC|unsupported version"):
            _decrypted(base64.b64encode(flipped).decode())


def test_every_other_character_is_noticed() -> None:
    payload = nip44.encrypt("x" * 33, KEY, NONCE)
    assert payload.endswith("=")
    for position in range(len(payload)):
        for character in "A/z09+=-_ \né#":
            if character != payload[position]:
                with pytest.raises(InvalidPayload):
                    _decrypted(payload[:position] + character + payload[position + 1 :])


def test_payload_has_one_spelling_only() -> None:
    whole, open_ended = nip44.encrypt("x", KEY, NONCE), nip44.encrypt("x" * 33, KEY, NONCE)
    assert not whole.endswith("=")
    assert open_ended.endswith("=") and not open_ended.endswith("==")
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    left_over = open_ended[:-2] + last[last.index(open_ended[-2]) + 1] + "="
    assert base64.b64decode(left_over) == base64.b64decode(open_ended)
    spellings = [whole + "=", whole + "==", whole + "====", whole + "\n", " " + whole, whole[:40] + "\n" + whole[40:]]
    spellings += [left_over, open_ended[:-1], open_ended + "=", whole + whole, whole.replace(whole[9], "%")]
    for spelling in spellings:
        with pytest.raises(InvalidPayload, match=r"invalid base64|invalid MAC"):
            _decrypted(spelling)


@pytest.mark.parametrize("version", [0, 1, 3, 255])
def test_other_versions_are_refused_before_their_mac(version: int) -> None:
    with pytest.raises(InvalidPayload, match="unsupported version"):
        _decrypted(_payload_of(nip44.pad(b"x"), version=version))


def test_sign_of_a_later_version_is_recognised_at_any_length() -> None:
    for payload in ("#", "#" * 200, "#" + nip44.encrypt("x", KEY, NONCE)):
        with pytest.raises(InvalidPayload, match="unsupported version"):
            _decrypted(payload)


def test_size_is_refused_before_base64_is_read() -> None:
    payload = nip44.encrypt("x" * 500, KEY, NONCE)
    assert nip44.decrypt(payload, KEY, max_payload=len(payload)) == "x" * 500
    for refused in (payload, "é" * len(payload), "A" * 131):
        with pytest.raises(InvalidPayload, match="invalid payload size"):
            nip44.decrypt(refused, KEY, max_payload=len(payload) - 1)


def test_98_bytes_are_too_few_however_they_are_written() -> None:
    raw = bytes([2]) + bytes(97)
    with pytest.raises(InvalidPayload, match="invalid payload size"):
        _decrypted(base64.b64encode(raw).decode())


def test_plaintext_that_is_not_utf8_is_refused() -> None:
    for text in (b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"a\xf5"):
        with pytest.raises(InvalidPayload, match="UTF-8"):
            _decrypted(_payload_of(nip44.pad(text)))


@given(
    st.one_of(
        st.text(),
        st.text("AgQ=+/#", min_size=132, max_size=140),
        st.binary(min_size=99).map(base64.b64encode).map(bytes.decode),
    )
)
@settings(max_examples=150)
def test_arbitrary_payloads_raise_nothing_else(payload: str) -> None:
    with pytest.raises(NipError) as refusal:
        _decrypted(payload)
    assert type(refusal.value) is InvalidPayload

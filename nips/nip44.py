"""NIP-44, version 2: encrypted payloads between two keys.

    payload = base64( 0x02 ‖ nonce 32 ‖ ciphertext ‖ mac 32 )
    plaintext inside = length prefix ‖ text ‖ zeros; the prefix is 2 bytes, or 2 zero bytes and 4 bytes from 65 536 on

A payload proves that one of the two keys wrote it, to those two only. It hides length in coarse steps, not time.
"""

from __future__ import annotations

import hmac
import struct

import pybase64
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from nips.errors import InvalidPayload
from nips.keys import PublicKey, SecretKey

VERSION = 2
MAX_PLAINTEXT = 2**32 - 1
"""Bytes; the limit of the format. Peers without the extended prefix stop at 65 535."""

_SALT = b"nip44-v2"
_MIN_PAYLOAD = 132
_MIN_DECODED = 99
_LONG_FORM = 65_536
_VERSION_BYTE = bytes([VERSION])
_SHA256 = SHA256()


def conversation_key(secret: SecretKey, public_key: PublicKey) -> bytes:
    """Return the 32-byte key that two parties share: HKDF-Extract over the ECDH x coordinate."""
    return HKDF.extract(_SHA256, _SALT, secret.shared_x(public_key))


def encrypt(plaintext: str, key: bytes, nonce: bytes) -> str:
    """Return the payload of a text of 1 byte or more; `nonce` is 32 fresh random bytes, never used twice with a key."""
    if len(nonce) != 32:
        raise ValueError("a nonce is 32 bytes")
    cipher_key, cipher_nonce, mac_key = message_keys(key, nonce)
    authenticated = nonce + _chacha20(cipher_key, cipher_nonce, pad(plaintext.encode()))
    mac = hmac.digest(mac_key, authenticated, "sha256")
    return pybase64.b64encode_as_string(_VERSION_BYTE + authenticated + mac)


def decrypt(payload: str, key: bytes, *, max_payload: int) -> str:
    """Return the text of a payload of at most `max_payload` characters; raise `InvalidPayload` for anything wrong."""
    authenticated, mac = _decode(payload, max_payload)
    cipher_key, cipher_nonce, mac_key = message_keys(key, authenticated[:32])
    if not hmac.compare_digest(hmac.digest(mac_key, authenticated, "sha256"), mac):
        raise InvalidPayload("invalid MAC")
    try:
        return unpad(_chacha20(cipher_key, cipher_nonce, authenticated[32:])).decode()
    except UnicodeDecodeError:
        raise InvalidPayload("plaintext is not UTF-8") from None


def message_keys(key: bytes, nonce: bytes) -> tuple[bytes, bytes, bytes]:
    """Return ChaCha20 key (32), ChaCha20 nonce (12) and HMAC key (32) of one message: HKDF-Expand to 76 bytes."""
    expanded = HKDFExpand(_SHA256, 76, nonce).derive(key)
    return expanded[:32], expanded[32:44], expanded[44:76]


def padded_size(length: int) -> int:
    """Return the size to which a text of `length` bytes is padded."""
    if length < 1:
        raise ValueError("a plaintext has at least 1 byte")
    if length <= 32:
        return 32
    next_power = 1 << (length - 1).bit_length()
    chunk = 32 if next_power <= 256 else next_power // 8
    return chunk * ((length - 1) // chunk + 1)


def pad(text: bytes) -> bytes:
    """Return the text with its length prefix and zeros."""
    length = len(text)
    if not 1 <= length <= MAX_PLAINTEXT:
        raise InvalidPayload("a plaintext has 1 to 2^32 - 1 bytes")
    prefix = struct.pack(">H", length) if length < _LONG_FORM else struct.pack(">HI", 0, length)
    return prefix + text + bytes(padded_size(length) - length)


def unpad(padded: bytes) -> bytes:
    """Return the text inside its padding; the prefix and the total size must be exactly those of its length."""
    start, length = 2, int.from_bytes(padded[:2], "big")
    if length == 0:
        start, length = 6, int.from_bytes(padded[2:6], "big")
        if length < _LONG_FORM:
            raise InvalidPayload("invalid padding")
    if len(padded) != start + padded_size(length):
        raise InvalidPayload("invalid padding")
    return padded[start : start + length]


def _decode(payload: str, max_payload: int) -> tuple[bytes, bytes]:
    """Return what the MAC covers (nonce and ciphertext) and the MAC."""
    if payload.startswith("#"):
        raise InvalidPayload("unsupported version")
    # Our own maximum comes before base64, so that size is refused before it costs anything.
    if not _MIN_PAYLOAD <= len(payload) <= max_payload:
        raise InvalidPayload("invalid payload size")
    try:
        decoded = pybase64.b64decode(payload, validate=True)
    except ValueError:
        raise InvalidPayload("invalid base64") from None
    # The library overlooks left-over bits; a payload has one spelling only.
    if pybase64.b64encode_as_string(decoded) != payload:
        raise InvalidPayload("invalid base64")
    if len(decoded) < _MIN_DECODED:
        raise InvalidPayload("invalid payload size")
    if decoded[0] != VERSION:
        raise InvalidPayload("unsupported version")
    return decoded[1:-32], decoded[-32:]


def _chacha20(key: bytes, nonce: bytes, data: bytes) -> bytes:
    # The library's 16-byte nonce is a 4-byte little-endian counter, zero here, and the 12 bytes of RFC 8439.
    return Cipher(ChaCha20(key, b"\0\0\0\0" + nonce), mode=None).encryptor().update(data)

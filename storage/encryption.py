"""Encryption at rest: values that nobody without the key reads, and look-ups that reveal nothing.

A stored value is key id (1 byte) ‖ nonce (12) ‖ AES-256-GCM ciphertext and tag. Table, column and row are authenticated
with it, so a value that was moved to another place does not decrypt. Nonces are random: one key is good for 2³² values
(NIST SP 800-38D §8.3), and rotating keys starts that count anew.

What has to be found again is indexed by a keyed hash under its own domain, so equal values in two tables do not look
alike. The index key is drawn once for each database and kept inside it, encrypted, so that rotating the storage key
leaves the indexes as they are.
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Sequence
from functools import cache
from typing import Any, Final, NewType

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from nips.strict_json import dump
from storage.errors import DamagedValue, StorageKeyMissing

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_HEAD_BYTES: Final = 1 + _NONCE_BYTES
_INDEX_BYTES: Final = 16

Place = NewType("Place", bytes)
"""Where an encrypted value lives: its associated data."""


def place(table: str, column: str, row: str | int | bytes) -> Place:
    """Name the place of a value by its table, column and the key of its row."""
    return Place(f"{table}\0{column}\0{row.hex() if isinstance(row, bytes) else row}".encode())


def new_key() -> bytes:
    """Draw a key."""
    return os.urandom(_KEY_BYTES)


class KeyRing:
    """Storage keys by id: the newest encrypts, all decrypt. It shows no key."""

    __slots__ = ("_ciphers", "_newest")

    def __init__(self, keys: Sequence[tuple[int, bytes]]) -> None:
        """Take (id, key) pairs, the newest last."""
        if not keys:
            raise ValueError("a key ring holds at least one key")
        self._ciphers: dict[int, AESGCM] = {}
        for key_id, key in keys:
            if not 0 <= key_id <= 255 or len(key) != _KEY_BYTES:
                raise ValueError("a storage key has an id from 0 to 255 and 32 bytes")
            if key_id in self._ciphers:
                raise ValueError(f"two storage keys have the id {key_id}")
            self._ciphers[key_id] = AESGCM(key)
        self._newest = keys[-1][0]

    def __repr__(self) -> str:
        return "KeyRing(hidden)"

    def __reduce__(self) -> Any:
        raise TypeError("a key ring is not pickled")

    @property
    def newest(self) -> int:
        """Id of the key that encrypts."""
        return self._newest

    def encrypt(self, where: Place, value: bytes) -> bytes:
        """Encrypt a value for its place."""
        nonce = os.urandom(_NONCE_BYTES)
        return bytes([self._newest]) + nonce + self._ciphers[self._newest].encrypt(nonce, value, where)

    def decrypt(self, where: Place, stored: bytes) -> bytes:
        """Return the value; raise `StorageKeyMissing` or `DamagedValue`."""
        cipher = self._ciphers.get(stored[0]) if stored else None
        if cipher is None:
            raise StorageKeyMissing(f"no storage key has the id {stored[0] if stored else '(none)'}")
        try:
            return cipher.decrypt(stored[1:_HEAD_BYTES], stored[_HEAD_BYTES:], where)
        except (InvalidTag, ValueError):
            table, column, _ = where.split(b"\0", 2)
            raise DamagedValue(f"a value of {table.decode()}.{column.decode()} does not decrypt in its place") from None


class BlindIndex:
    """Keyed hashes by which encrypted values are found."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise ValueError("an index key is 32 bytes")
        self._key = key

    def __repr__(self) -> str:
        return "BlindIndex(hidden)"

    def __reduce__(self) -> Any:
        raise TypeError("an index key is not pickled")

    def of(self, domain: str, *parts: str) -> bytes:
        """Return 16 bytes that stand for a value, composed of parts, in one domain (`table.column`)."""
        message = _framed(domain)
        for part in parts:
            encoded = part.encode()
            message += len(encoded).to_bytes(4, "big") + encoded
        return hmac.digest(self._key, message, "sha256")[:_INDEX_BYTES]

    def number(self, domain: str, *parts: str) -> int:
        """Return the same as a number above zero that SQL can hold: 63 bits."""
        return int.from_bytes(self.of(domain, *parts)[:8], "big") >> 1 or 1


@cache
def _framed(domain: str) -> bytes:
    # There are only as many domains as columns that are looked up.
    encoded = domain.encode()
    return len(encoded).to_bytes(4, "big") + encoded


class Vault:
    """What one open database encrypts with and looks up by."""

    __slots__ = ("index", "ring")

    def __init__(self, ring: KeyRing, index: BlindIndex) -> None:
        self.ring = ring
        self.index = index

    def encrypt_json(self, where: Place, value: Any) -> bytes:
        """Encrypt a JSON value for its place."""
        return self.ring.encrypt(where, dump(value).encode())

    def decrypt_json(self, where: Place, stored: bytes) -> Any:
        """Return the JSON value of a place."""
        return json.loads(self.ring.decrypt(where, stored))

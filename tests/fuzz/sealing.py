"""Gift wraps with something hostile inside: right on every layer outside the hostile one, so that it is reached.

The keys are always the same, so both conversation keys are worked out once; a wrap costs two signatures here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from nips import nip44
from nips.keys import PublicKey, SecretKey
from tests.support.wraps import AUTHOR, BRIDGE, NOW, ONE_TIME, drawn

Json = dict[str, Any]

OF_SEAL: Final = nip44.conversation_key(AUTHOR, BRIDGE.public_key)
OF_WRAP: Final = nip44.conversation_key(ONE_TIME, BRIDGE.public_key)
_AUX: Final = drawn("aux")


def compact(value: object) -> str:
    """Return a value's JSON as NIP-01 wants it, made by nobody but the standard library."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def identity_of(event: Mapping[str, Any]) -> str:
    """Return the id that a value's fields have, of whatever types they are."""
    fields = [0, *(event.get(name) for name in ("pubkey", "created_at", "kind", "tags", "content"))]
    return hashlib.sha256(compact(fields).encode("utf-8", "surrogatepass")).hexdigest()


def signed(fields: Mapping[str, Any], secret: SecretKey) -> Json:
    """Return a value with the id of its fields and a signature over that, whatever the fields are."""
    identity = identity_of(fields)
    return {**fields, "id": identity, "sig": secret.sign(bytes.fromhex(identity), _AUX).hex()}


def encrypted(text: str, key: bytes) -> str:
    """Return the payload of a text that may be empty, or no Unicode; its MAC is right."""
    return padded_payload(padded(text.encode("utf-8", "surrogatepass")), key)


def padded(data: bytes) -> bytes:
    """Return data with its length in front and its zeros behind."""
    size = max(1, len(data))
    prefix = len(data).to_bytes(2, "big") if len(data) < 65_536 else b"\0\0" + len(data).to_bytes(4, "big")
    return prefix + data + bytes(nip44.padded_size(size) - len(data))


def padded_payload(plain: bytes, key: bytes, *, version: int = 2) -> str:
    """Return the payload of bytes that stand for a padded text, right or not; its MAC is right."""
    nonce = hashlib.sha256(plain).digest()
    cipher_key, cipher_nonce, mac_key = nip44.message_keys(key, nonce)
    # Counter 0 in front of the 12 bytes of RFC 8439.
    cipher = Cipher(ChaCha20(cipher_key, bytes(4) + cipher_nonce), mode=None).encryptor().update(plain)
    mac = hmac.digest(mac_key, nonce + cipher, "sha256")
    return base64.b64encode(bytes([version]) + nonce + cipher + mac).decode()


def a_wrap(content: str, *, kind: int = 1059, to: PublicKey = BRIDGE.public_key, **changes: Any) -> Json:
    """Return a gift wrap around a payload."""
    return signed(
        {
            "pubkey": ONE_TIME.public_key,
            "created_at": NOW,
            "kind": kind,
            "tags": [["p", to]],
            "content": content,
            **changes,
        },
        ONE_TIME,
    )


def a_seal(content: str, **changes: Any) -> Json:
    """Return a seal around a payload."""
    return signed(
        {"pubkey": AUTHOR.public_key, "created_at": NOW - 60, "kind": 13, "tags": [], "content": content, **changes},
        AUTHOR,
    )


def a_rumor(content: str, **changes: Any) -> Json:
    """Return a rumor; its id fits whatever it holds."""
    fields = {
        "pubkey": AUTHOR.public_key,
        "created_at": NOW - 5,
        "kind": 24390,
        "tags": [["p", BRIDGE.public_key]],
        "content": content,
        **changes,
    }
    return {**fields, "id": identity_of(fields)}


def wrap_of_seal(seal: str) -> Json:
    """Return a wrap of a seal's text."""
    return a_wrap(encrypted(seal, OF_WRAP))


def wrap_of_rumor(rumor: str) -> Json:
    """Return a wrap of a seal of a rumor's text."""
    return wrap_of_seal(compact(a_seal(encrypted(rumor, OF_SEAL))))

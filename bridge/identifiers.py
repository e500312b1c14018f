"""Service ids of an account (protocol.md §2), computable by whoever holds what they are made of. Pure."""

from __future__ import annotations

import hashlib
from uuid import UUID

from nips.keys import PublicKey


def aci_of(pubkey: PublicKey) -> UUID:
    """Return an account's ACI: everybody can compute everybody's."""
    return _uuid8(hashlib.sha256(b"nostr-aci-v1" + bytes.fromhex(pubkey)).digest())


def pni_of(pubkey: PublicKey, salt: bytes) -> UUID:
    """Return an account's PNI; the 16-byte salt is the account's own, so only bridge and account know it."""
    if len(salt) != 16:
        raise ValueError("a PNI salt is 16 bytes")
    return _uuid8(hashlib.sha256(b"nostr-pni-v1" + salt + bytes.fromhex(pubkey)).digest())


def _uuid8(digest: bytes) -> UUID:
    # RFC 9562 §5.8: version 8 in octet 6, variant 10 in octet 8, the rest is ours.
    raw = bytearray(digest[:16])
    raw[6] = raw[6] & 0x0F | 0x80
    raw[8] = raw[8] & 0x3F | 0x80
    return UUID(bytes=bytes(raw))

"""Event kinds that this system names, and the ranges of NIP-01."""

from __future__ import annotations

PROFILE = 0
CONTACTS = 3
DELETION = 5
SEAL = 13
PRIVATE_MESSAGE = 14
VANISH = 62
GIFT_WRAP = 1059
RELAY_LIST = 10002
INBOX_RELAYS = 10050
EPHEMERAL_GIFT_WRAP = 21059
AUTH = 22242
REMOTE_SIGNING = 24133
BRIDGE_REQUEST = 24390
BRIDGE_RESPONSE = 24391
DEVICE_PROOF = 24393
HANDLER = 31990

WRAPS = frozenset({GIFT_WRAP, EPHEMERAL_GIFT_WRAP})
MAX_KIND = 65535


def is_wrap(kind: int) -> bool:
    """Tell whether a kind is a gift wrap, stored or ephemeral (NIP-59)."""
    return kind in WRAPS


def is_replaceable(kind: int) -> bool:
    """Tell whether only the newest event of an author and kind counts (NIP-01)."""
    return kind in (PROFILE, CONTACTS) or 10000 <= kind < 20000


def is_ephemeral(kind: int) -> bool:
    """Tell whether a kind is never stored (NIP-01)."""
    return 20000 <= kind < 30000


def is_addressable(kind: int) -> bool:
    """Tell whether only the newest event of an author, kind and `d` tag counts (NIP-01)."""
    return 30000 <= kind < 40000

"""Everything that can be wrong with what a peer sent.

    NipError
    ├── InvalidJson        not JSON that we read: syntax, size, nesting, NaN, doubled keys, lone surrogates
    ├── InvalidKey         not a key of secp256k1
    ├── InvalidEvent       not an event of NIP-01, or its id or signature is wrong
    ├── InvalidFilter      not a filter of NIP-01
    ├── UnsupportedFilter  a filter with a condition that NIP-01 does not know
    ├── InvalidMessage     not a client or relay message
    ├── InvalidAuth        an AUTH event that proves nothing here (NIP-42)
    ├── InvalidProof       an event that does not prove a device's key
    ├── InvalidPayload     not a NIP-44 payload for this key
    ├── InvalidWrap        a gift wrap that does not open (NIP-59)
    ├── InvalidEntity      not a bech32 entity of NIP-19
    └── InvalidDocument    not a relay information document (NIP-11), not a list of names (NIP-05)

The text of an error names the rule that was broken and never quotes what the peer sent or what a secret revealed, so it
may be shown to that peer.
"""

from __future__ import annotations


class NipError(ValueError):
    """Something a peer sent breaks a rule of a NIP."""


class InvalidJson(NipError):
    """Text that is not JSON within our limits."""


class InvalidKey(NipError):
    """Bytes that are not a key."""


class InvalidEvent(NipError):
    """An event whose form, id or signature is wrong."""


class InvalidFilter(NipError):
    """A filter of the wrong form."""


class UnsupportedFilter(NipError):
    """A filter with a condition that is not of NIP-01, such as the `search` of NIP-50."""


class InvalidMessage(NipError):
    """A client or relay message of the wrong form."""


class InvalidAuth(NipError):
    """An AUTH event that does not authenticate this connection."""


class InvalidProof(NipError):
    """An event that does not prove what the key of a new device has to prove."""

    def __init__(self, rule: str, *, field: str = "") -> None:
        super().__init__(f"{field}: {rule}" if field else rule)
        self.field = field
        """Which of the event's fields is wrong; "": it is no event."""


class InvalidPayload(NipError):
    """A NIP-44 payload that cannot be decrypted."""


class InvalidWrap(NipError):
    """A gift wrap that is refused while opening it."""


class InvalidEntity(NipError):
    """Text that is not the NIP-19 entity asked for."""


class InvalidDocument(NipError):
    """A relay information document of the wrong form."""

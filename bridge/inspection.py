"""Why a wrap was refused: the checks of the unwrap checklist, told to an operator. Pure.

Only the holder of the key can ask, so what is inside may be shown: the sender and the kind, never the content.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bridge.envelope import check_addressee
from bridge.errors import Dropped
from bridge.relay.limits import max_content_length
from nips import kinds
from nips.errors import InvalidEvent, NipError
from nips.event import Event, parse_event, parse_hex, verify_event
from nips.keys import SecretKey
from nips.nip13 import committed_work
from nips.nip59 import WrapWindow, check_times, open_wrap, recipient_of
from nips.strict_json import parse

MAX_LINE_BYTES = 4_194_304
"""What is read of one line: more than any relay takes, so that a verdict can name the event that was too large."""


@dataclass(frozen=True, slots=True)
class Inspector:
    """Opens wraps as the bridge would at one moment, and tells what it found."""

    secret: SecretKey
    now: int
    window: WrapWindow
    max_event_bytes: int
    max_tags: int
    unsigned_seals: bool
    min_pow_difficulty: int = 0

    def inspect(self, line: str) -> Mapping[str, Any]:
        """Return the verdict on one event in JSON; nothing in a line makes this raise."""
        identity: str | None = None
        try:
            value = parse(line, max_bytes=MAX_LINE_BYTES)
            identity = _readable_id(value)
            event = parse_event(value)
            if len(event.to_json().encode()) > self.max_event_bytes:
                raise InvalidEvent(f"larger than {self.max_event_bytes} bytes")
            if len(event.content) > (longest := max_content_length(self.max_event_bytes)):
                raise InvalidEvent(f"content: more than {longest} characters")
            if len(event.tags) > self.max_tags:
                raise InvalidEvent(f"tags: more than {self.max_tags}")
            return self._open(event)
        except (NipError, Dropped) as refusal:
            return _verdict(identity, reason=str(refusal))

    def _open(self, event: Event) -> Mapping[str, Any]:
        # In the order in which the relay refuses, so that the first reason is the one that the sender was told.
        if (needed := self.min_pow_difficulty) and committed_work(event) < needed:
            raise InvalidEvent(f"less than {needed} bits of work, or no nonce tag that commits to them")
        wrap = verify_event(event)
        recipient_of(wrap)
        check_times(wrap, now=self.now, window=self.window)
        rumor = open_wrap(wrap, self.secret, unsigned_seals=self.unsigned_seals)
        if rumor.kind == kinds.BRIDGE_REQUEST:
            check_addressee(rumor, self.secret.public_key)
        return _verdict(wrap.id, sender=rumor.pubkey, rumor_kind=rumor.kind)


def unreadable(reason: str) -> Mapping[str, Any]:
    """Return the verdict on a line that could not be read as text at all."""
    return _verdict(None, reason=reason)


def _readable_id(value: object) -> str | None:
    try:
        return parse_hex(value, "id") if isinstance(value, dict) else None
    except InvalidEvent:
        return None


def _verdict(
    identity: str | None, *, reason: str | None = None, sender: str | None = None, rumor_kind: int | None = None
) -> Mapping[str, Any]:
    return {
        "id": identity,
        "accepted": reason is None,
        "reason": reason,
        "sender": sender,
        "rumor_kind": rumor_kind,
    }

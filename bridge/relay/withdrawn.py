"""What was asked to be deleted lately, by id or by vanishing: for events that are remembered, or kept nowhere at all.

The storage knows for good what of its own may not come back. A live event never gets there, and one that was accepted a
moment ago is told to be a repeat before it would; both are looked up here first.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from nips import kinds
from nips.event import Event
from nips.nip09 import Deletion

_FOR_EVER = 2**63


@dataclass(frozen=True, slots=True)
class _Wish:
    pubkey: str
    is_recipient: bool
    event_id: str = ""
    """Empty: all that is theirs."""


class Withdrawn:
    """A bounded, time-limited map; beyond `maximum` the wish noted first is forgotten first."""

    __slots__ = ("_maximum", "_wishes")

    def __init__(self, *, maximum: int) -> None:
        self._maximum = maximum
        self._wishes: OrderedDict[_Wish, tuple[int, int]] = OrderedDict()
        """Up to which time of an event they are meant, and until when they are remembered."""

    def __len__(self) -> int:
        return len(self._wishes)

    def note_deletion(self, request: Event, named: Deletion, *, until: int, now: int) -> None:
        """Remember the ids of a deletion request until a time."""
        for event_id in named.ids:
            self._note(_Wish(request.pubkey, False, event_id), _FOR_EVER, until, now)
            if named.of_wraps:
                self._note(_Wish(request.pubkey, True, event_id), _FOR_EVER, until, now)

    def note_vanish(self, request: Event, *, until: int, now: int) -> None:
        """Remember until a time that a key vanished."""
        for is_recipient in (False, True):
            self._note(_Wish(request.pubkey, is_recipient), request.created_at, until, now)

    def covers(self, event: Event, recipient: str | None) -> bool:
        """Tell whether the author of an event, or the recipient of a wrap, wants it gone."""
        if not self._wishes or event.kind == kinds.VANISH:
            return False
        # To delete a deletion request has no effect (NIP-09); to vanish takes them along (NIP-62).
        ids = ("",) if event.kind == kinds.DELETION else ("", event.id)
        wishes = [_Wish(event.pubkey, False, event_id) for event_id in ids]
        if recipient is not None:
            wishes += [_Wish(recipient, True, event_id) for event_id in ids]
        return any(event.created_at <= self._wishes.get(wish, (-1, 0))[0] for wish in wishes)

    def _note(self, wish: _Wish, meant_up_to: int, until: int, now: int) -> None:
        meant_before, _ = self._wishes.pop(wish, (-1, 0))
        self._wishes[wish] = (max(meant_up_to, meant_before), until)
        while self._wishes and (len(self._wishes) > self._maximum or next(iter(self._wishes.values()))[1] <= now):
            self._wishes.popitem(last=False)

"""What was asked to be deleted lately, by id or by vanishing: for events kept nowhere, or in the inbox of the bridge.

The storage knows what of its own may not come back, and says so by itself. A live event never gets there, and is passed
on at once: so a wish counts from the moment that it is read, before it is durable, and is taken back if it is refused.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nips import kinds
from nips.event import Event
from nips.nip09 import Deletion
from storage.relay_interface import Withdrawal

_FOR_EVER = 2**63


class _Wish(NamedTuple):
    pubkey: str
    is_recipient: bool
    event_id: str = ""
    """Empty: all that is theirs."""


@dataclass(frozen=True, slots=True, eq=False)
class _Term:
    meant_up_to: int
    """Which time of an event."""
    until: int
    """When it is forgotten."""


Noted = Sequence[tuple[_Wish, _Term, _Term | None]]
"""Wishes with what was noted about them, and what it replaced."""


class Withdrawn:
    """A bounded, time-limited map; beyond `maximum` the wish noted first is forgotten first."""

    __slots__ = ("_maximum", "_wishes")

    def __init__(self, *, maximum: int) -> None:
        self._maximum = maximum
        self._wishes: OrderedDict[_Wish, _Term] = OrderedDict()

    def __len__(self) -> int:
        return len(self._wishes)

    def note_deletion(self, request: Event, named: Deletion, *, until: int, now: int) -> Noted:
        """Remember the ids of a deletion request until a time; return what takes it back."""
        wishes = [_Wish(request.pubkey, False, event_id) for event_id in named.ids]
        if named.of_wraps:
            wishes += [wish._replace(is_recipient=True) for wish in wishes]
        return self._note(wishes, _FOR_EVER, until, now)

    def note_vanish(self, request: Event, *, until: int, now: int) -> Noted:
        """Remember until a time that a key vanished; return what takes it back."""
        wishes = [_Wish(request.pubkey, is_recipient) for is_recipient in (False, True)]
        return self._note(wishes, request.created_at, until, now)

    def note_stored(self, asked: Withdrawal, *, until: int, now: int) -> None:
        """Remember until a time what was asked before we started."""
        wishes = [_Wish(asked.pubkey, False, asked.event_id)]
        if asked.of_wraps:
            wishes.append(_Wish(asked.pubkey, True, asked.event_id))
        self._note(wishes, asked.until, until, now)

    def take_back(self, noted: Noted) -> None:
        """Forget what was noted, unless it was noted again meanwhile."""
        for wish, term, before in noted:
            if self._wishes.get(wish) is not term:
                continue
            del self._wishes[wish]
            if before is not None:
                self._wishes[wish] = before

    def covers(self, event: Event, recipient: str | None) -> bool:
        """Tell whether the author of an event, or the recipient of a wrap, wants it gone."""
        if not self._wishes or event.kind == kinds.VANISH:
            return False
        # To delete a deletion request has no effect (NIP-09); to vanish takes them along (NIP-62).
        ids = ("",) if event.kind == kinds.DELETION else ("", event.id)
        wishes = [_Wish(event.pubkey, False, event_id) for event_id in ids]
        if recipient is not None:
            wishes += [_Wish(recipient, True, event_id) for event_id in ids]
        terms = (self._wishes.get(wish) for wish in wishes)
        return any(term is not None and event.created_at <= term.meant_up_to for term in terms)

    def _note(self, wishes: Iterable[_Wish], meant_up_to: int, until: int, now: int) -> Noted:
        noted = []
        for wish in wishes:
            before = self._wishes.pop(wish, None)
            term = _Term(meant_up_to if before is None else max(meant_up_to, before.meant_up_to), until)
            self._wishes[wish] = term
            noted.append((wish, term, before))
        while self._wishes and (len(self._wishes) > self._maximum or self._first.until <= now):
            self._wishes.popitem(last=False)
        return noted

    @property
    def _first(self) -> _Term:
        return next(iter(self._wishes.values()))

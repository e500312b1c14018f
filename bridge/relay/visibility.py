"""Who may read which gift wraps: the rule is stated here, once, for stored events, live ones, and whatever comes later.

A wrap of either kind (1059 and 21059) is shown to the key in its `p` tag, when that key was proved on the connection
that asks (NIP-42), and to nobody else. It makes no difference how it is asked for: by kind, by id, by author, by its
`p` tag or by nothing at all. What may not be shown is left out, so that nobody learns that it exists; only who asks for
nothing but wraps, and can see none, is told to authenticate or that these are not theirs.

NIP-59 gives a wrap no other tag to be found by. So a filter with a condition on any other matches no wrap, and nothing
that is encrypted at rest has to be opened to find out.

Wraps for the bridge itself are shown to nobody. All other events are public.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bridge.relay.refusals import AuthRequired, Restricted
from nips.errors import InvalidWrap
from nips.event import Event
from nips.filter import Candidate, Filter
from nips.keys import PublicKey
from nips.kinds import GIFT_WRAP, WRAPS, is_wrap
from nips.nip59 import recipient_of


@dataclass(frozen=True, slots=True)
class View:
    """A filter, and whose wraps it shows to whom it was made for."""

    wanted: Filter
    recipients: frozenset[str]
    proved: frozenset[str] = frozenset()
    """The keys that its reader has proved; not every recipient is one of them under `read_without_auth`."""
    is_partial: bool = False
    """Whether it may leave out stored wraps that match; known from filter and keys alone, so it tells nothing."""

    def shows(self, event: Event | Candidate) -> bool:
        """Tell whether an event matches and may be shown."""
        candidate = event if isinstance(event, Candidate) else Candidate(event)
        if not self.wanted.matches(candidate):
            return False
        if not is_wrap(candidate.event.kind):
            return True
        return self.wanted.tags.keys() <= {"p"} and _recipient(candidate.event) in self.recipients


@dataclass(frozen=True, slots=True)
class ReadProtection:
    """The rule, for one relay."""

    bridge: PublicKey
    read_without_auth: bool = False
    """Also show wraps to whoever names their recipient in `#p`, for clients that cannot authenticate."""

    def views(self, filters: Sequence[Filter], keys: Collection[PublicKey]) -> tuple[View, ...]:
        """Return what a reader who has proved these keys gets to see through each filter."""
        return tuple(self._view(wanted, frozenset(keys)) for wanted in filters)

    def check_request(self, views: Sequence[View], keys: Collection[PublicKey]) -> None:
        """Refuse a request for nothing but wraps of which it can show none."""
        if any(view.recipients or not asks_only_for_wraps(view.wanted) for view in views):
            return
        if not keys:
            raise AuthRequired("gift wraps are for their recipients, prove your key first")
        raise Restricted("gift wraps are for their recipients, and these are not yours")

    def _view(self, wanted: Filter, keys: frozenset[PublicKey]) -> View:
        if wanted.kinds is not None and wanted.kinds.isdisjoint(WRAPS):
            return View(wanted, frozenset(), keys)
        named = wanted.tags.get("p")
        if named is None:
            shown = frozenset[str](keys)
        else:
            shown = named if self.read_without_auth else named & keys
        is_for_stored = (wanted.kinds is None or GIFT_WRAP in wanted.kinds) and wanted.tags.keys() <= {"p"}
        is_partial = is_for_stored and (named is None or not named <= shown | {self.bridge})
        return View(wanted, shown - {self.bridge}, keys, is_partial)


def asks_only_for_wraps(wanted: Filter) -> bool:
    """Tell whether a filter names kinds, and all of them are wraps."""
    return bool(wanted.kinds) and WRAPS.issuperset(wanted.kinds or ())


def asks_for_others(wanted: Filter) -> bool:
    """Tell whether a filter can match anything but wraps."""
    return wanted.kinds is None or not WRAPS.issuperset(wanted.kinds)


def _recipient(wrap: Event) -> PublicKey | None:
    try:
        return recipient_of(wrap)
    except InvalidWrap:
        return None

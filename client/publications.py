"""Events on their way to one relay, and what the relay said to them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nips.messages import Prefix, prefix_of

MAX_REASON = 256
"""Characters of a relay's own words that are kept; the rest is for nobody."""


class Outcome(StrEnum):
    """The kinds of verdict."""

    ACCEPTED = "accepted"
    """The relay has the event, or had it before."""
    RATE_LIMITED = "rate-limited"
    """Not now: the same event may be accepted later."""
    FAILED = "failed"
    """The relay is in trouble of its own: the same event may be accepted later."""
    MUTED = "muted"
    """An ephemeral event that nobody was listening for."""
    AUTH_REQUIRED = "auth-required"
    """The relay wants a key that we did not prove, or gave us no way to prove one."""
    REFUSED = "refused"
    """Refused for good: the same event will not be accepted here."""
    UNANSWERED = "unanswered"
    """Nobody knows: no answer in time, or no connection. The relay may have the event nevertheless."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One relay's answer to one event."""

    outcome: Outcome
    message: str = ""
    """The relay's words as sent, cut to `MAX_REASON` characters: never a format, never trusted."""

    @property
    def is_accepted(self) -> bool:
        """Tell whether the relay has the event."""
        return self.outcome is Outcome.ACCEPTED

    @property
    def is_final(self) -> bool:
        """Tell whether publishing the same event here again is pointless."""
        return self.outcome in (Outcome.ACCEPTED, Outcome.REFUSED)


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on a publication."""

    event_id: str
    verdict: Verdict


@dataclass(slots=True)
class Publication:
    """An event that waits for its verdict."""

    text: str
    deadline: float
    demand: str = ""
    """The relay's words when it asked for authentication, which is not over yet; empty when it did not."""
    sent_after: int = 0
    """How many rounds of authentication had succeeded when it was sent."""
    is_repeated: bool = False
    """Whether it was sent again after authenticating: that is done once on a connection."""

    def forget_connection(self) -> None:
        """Start over: whatever a relay said is gone."""
        self.demand = ""
        self.sent_after = 0
        self.is_repeated = False


_OUTCOMES: dict[Prefix | None, Outcome] = {
    # Some relays answer false to what they already have; having it is what was wanted.
    Prefix.DUPLICATE: Outcome.ACCEPTED,
    Prefix.RATE_LIMITED: Outcome.RATE_LIMITED,
    Prefix.ERROR: Outcome.FAILED,
    Prefix.MUTE: Outcome.MUTED,
    Prefix.AUTH_REQUIRED: Outcome.AUTH_REQUIRED,
}


def judge(accepted: bool, message: str) -> Verdict:
    """Return the verdict that an OK message stands for (NIP-01, NIP-42); an unknown prefix refuses for good."""
    outcome = Outcome.ACCEPTED if accepted else _OUTCOMES.get(prefix_of(message), Outcome.REFUSED)
    return Verdict(outcome, message[:MAX_REASON])

"""Authentication on one connection (NIP-42): which keys were offered to the relay, and what it said to each.

Each challenge is answered with every key. A *round* lasts from the first answer until the relay has said something to
each, or was silent for too long; a challenge in between adds to it, since some relays make one for every refusal and
take the answers to all of them. What the relay refused for want of authentication is worth asking again when a later
round has succeeded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from nips.event import VerifiedEvent
from nips.keys import PublicKey


class AuthState(StrEnum):
    """What the relay said to one of our keys."""

    OFFERED = "offered"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    """For some relays simply because they take one key for a connection and have one."""
    UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True)
class AuthAnswered:
    """What the relay said to one of our keys."""

    key: PublicKey
    state: AuthState
    message: str = ""


class Authentication:
    """The state of authentication on one connection."""

    def __init__(self) -> None:
        self.challenges: set[str] = set()
        """Those that were answered."""
        self.successes = 0
        """How many rounds ended with a key that the relay accepted, or did not answer."""
        self.states: dict[PublicKey, AuthState] = {}
        self._offered: dict[str, PublicKey] = {}
        self._is_incomplete = False
        """Answers are still being made by somebody else."""

    @property
    def is_in_progress(self) -> bool:
        """Tell whether a round waits for the relay."""
        return bool(self._offered) or self._is_incomplete

    @property
    def may_succeed(self) -> bool:
        """Tell whether a round is yet to end: one is in progress, or the relay's challenge is still to come."""
        return self.is_in_progress or not self.challenges

    @property
    def is_refused(self) -> bool:
        """Tell whether the relay has refused every key."""
        return bool(self.states) and set(self.states.values()) == {AuthState.REFUSED}

    def offer(self, challenge: str, answers: Sequence[VerifiedEvent], *, is_all: bool = True) -> None:
        """Start a round, or add to the one in progress; unless that `is_all`, more answers are still to be made."""
        self.challenges.add(challenge)
        self._is_incomplete = not is_all
        for event in answers:
            self._offered[event.id] = event.pubkey
            if self.states.get(event.pubkey) is not AuthState.ACCEPTED:
                self.states[event.pubkey] = AuthState.OFFERED

    def answered(self, event_id: str, accepted: bool) -> PublicKey | None:
        """Note the relay's answer and return the key it is about, or None when we wait for no such answer.

        A key that was accepted once stays so: a refusal then means that the relay needs no more of it.
        """
        key = self._offered.pop(event_id, None)
        if key is not None and self.states[key] is not AuthState.ACCEPTED:
            self.states[key] = AuthState.ACCEPTED if accepted else AuthState.REFUSED
        return key

    def give_up(self) -> list[PublicKey]:
        """Stop waiting and return the keys that the relay said nothing to."""
        silent = [key for key in dict.fromkeys(self._offered.values()) if self.states[key] is AuthState.OFFERED]
        self._offered.clear()
        self._is_incomplete = False
        self.states |= dict.fromkeys(silent, AuthState.UNANSWERED)
        return silent

    def conclude(self) -> bool:
        """Count a round that is over and tell whether it may have changed what the relay lets us do.

        No answer is taken for a yes: asking again costs little, and a missing OK is unknown, not failed.
        """
        useful = {AuthState.ACCEPTED, AuthState.UNANSWERED}
        succeeded = not useful.isdisjoint(self.states.values())
        self.successes += succeeded
        return succeeded

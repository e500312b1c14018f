"""A link under test, and the relay at its other end: texts in, texts out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from client.authentication import AuthAnswered, AuthState
from client.limits import LinkLimits
from client.link import Fact, Link
from client.publications import Judged, Outcome, Verdict
from nips.event import VerifiedEvent, sign_event
from nips.filter import Filter
from nips.keys import SecretKey
from nips.nip42 import make_auth
from tests.support.wraps import AUTHOR, BRIDGE, NOW, drawn

URL = "wss://relay.example"
NOTES = Filter(kinds=frozenset({1}))
DEMAND = "auth-required: we only serve what is yours"


def a_note(content: str = "hello", *, kind: int = 1) -> VerifiedEvent:
    return sign_event(AUTHOR, created_at=NOW, kind=kind, tags=[], content=content, aux=drawn("aux"))


HELLO = a_note()


def judged(outcome: Outcome, message: str = "") -> Judged:
    """Return the verdict on HELLO."""
    return Judged(HELLO.id, Verdict(outcome, message))


def auth_facts(*states: AuthState) -> list[AuthAnswered]:
    """Return what the relay said to the keys AUTHOR and BRIDGE in turn."""
    words = {AuthState.REFUSED: "error: already authenticated"}
    return [
        AuthAnswered(key.public_key, state, words.get(state, ""))
        for key, state in zip((AUTHOR, BRIDGE), states, strict=False)
    ]


class Conversation:
    """A link whose texts and facts are collected after each step, as a shell does it."""

    def __init__(self, *keys: SecretKey, limits: LinkLimits | None = None) -> None:
        self.keys = keys
        self.slow_keys = 0
        """How many keys, from the last, do not answer a challenge at once."""
        self.link = Link(sign_auth=self._sign_auth if keys else None, limits=limits)
        self.now = 0.0
        self.facts: list[Fact] = []
        self._auths: dict[str, list[VerifiedEvent]] = {}

    def opens(self) -> list[str]:
        """Open a connection and return the labels of what is sent at once."""
        self.link.opened()
        return self.sent()

    def hears(self, *message: Any) -> list[str]:
        """Let the relay say one message and return the labels of what is sent in return."""
        return self.hears_raw(json.dumps(message))

    def hears_raw(self, message: str | bytes) -> list[str]:
        """Let the relay send one frame."""
        self.link.receive(message, self.now)
        return self.sent()

    def passes(self, seconds: float) -> list[str]:
        """Let time pass and return the labels of what is sent then."""
        self.now += seconds
        self.link.tick(self.now)
        return self.sent()

    def asks(self, name: str, *filters: Filter) -> list[str]:
        self.link.subscribe(name, filters or (NOTES,))
        return self.sent()

    def publishes(self, event: VerifiedEvent, seconds: float = 15.0) -> list[str]:
        self.link.publish(event, deadline=self.now + seconds)
        return self.sent()

    def sent(self) -> list[str]:
        """Return what was sent as labels: `REQ name`, `CLOSE name`, `EVENT content`, `AUTH challenge number`."""
        self.facts += self.link.take_facts()
        texts = []
        while (text := self.link.take_text()) is not None:
            texts.append(text)
        return [self._label(json.loads(text)) for text in texts]

    def happened(self) -> list[Fact]:
        """Return the facts since the last call."""
        facts, self.facts = self.facts, []
        return facts

    def answers_auth(self, challenge: str, *verdicts: bool) -> list[str]:
        """Let the relay answer the AUTH of each key in turn, and return what is sent in return."""
        sent: list[str] = []
        for event, accepted in zip(self._auths[challenge], verdicts, strict=True):
            sent += self.hears("OK", event.id, accepted, "" if accepted else "error: already authenticated")
        return sent

    def signs(self, challenge: str, *numbers: int) -> list[str]:
        """Answer a challenge with the keys of these numbers, some time after it came."""
        self.link.authenticate(challenge, [self._auths[challenge][number] for number in numbers], self.now)
        return self.sent()

    def _sign_auth(self, challenge: str) -> tuple[Sequence[VerifiedEvent], bool]:
        answers = self._auths[challenge] = [
            make_auth(key, relay_url=URL, challenge=challenge, created_at=NOW, aux=drawn("aux")) for key in self.keys
        ]
        return answers[: len(answers) - self.slow_keys], not self.slow_keys

    def _label(self, message: list[Any]) -> str:
        if message[0] == "EVENT":
            return f"EVENT {message[1]['content']}"
        if message[0] == "AUTH":
            challenge = dict(message[1]["tags"])["challenge"]
            number = [event.id for event in self._auths[challenge]].index(message[1]["id"])
            return f"AUTH {challenge} {number}"
        return f"{message[0]} {message[1]}"

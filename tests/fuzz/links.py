"""Whole sessions from the other side: a relay that says anything at all to our link."""

from __future__ import annotations

import json
from random import Random
from typing import Any, Final

from client.publications import MAX_REASON
from client.subscriptions import Received
from nips.messages import MessageLimits, parse_client_message
from tests.fuzz import cases, sealing
from tests.fuzz.judging import Finding
from tests.fuzz.mutation import Mutator
from tests.support.link_conversation import HELLO, NOTES, Conversation, a_note
from tests.support.wraps import AUTHOR, BRIDGE, NOW

MESSAGES: Final = 500
"""Of each chapter."""
NAMES: Final = ("a", "b", "c")


def listen_through(*, seed: int, number: int, said: int = MESSAGES) -> int:
    """Have a link live through one chapter; return how many events it took, or raise what went wrong."""
    mutator = Mutator(Random(f"{seed}/links/{number}"))
    talk = a_talk(number=number)
    taken = 0
    for count in range(said):
        if count % 20 == 0:
            talk.publishes(a_note(str(count)), 30)
        if mutator.is_so(0.1):
            talk.passes(mutator.rng.choice((0.1, 5, 100)))
        talk.hears_raw(_message(mutator, talk))
        taken += check_facts(talk)
        if talk.link.waiting > 1 + said // 20 or len(talk.link.subscriptions) != len(NAMES):
            raise Finding("the link asks for something else than it was asked for")
        if talk.link.is_hopeless:
            talk.opens()
    check_good_event(talk)
    return taken


def a_talk(*, number: int) -> Talk:
    """Return a link that has asked for something, with no key, one or two."""
    talk = Talk(*((), (AUTHOR,), (AUTHOR, BRIDGE))[number % 3])
    for name in NAMES:
        talk.asks(name)
    talk.opens()
    return talk


class Talk(Conversation):
    """A conversation whose texts are judged instead of labelled."""

    def _label(self, message: list[Any]) -> str:
        parse_client_message(json.dumps(message), MessageLimits())
        if message[0] == "AUTH":
            self.auths = (*self.auths[-2:], message[1]["id"])
        return ""

    auths: tuple[str, ...] = ()
    """Ids of the latest AUTH events."""


def _message(mutator: Mutator, talk: Talk) -> str | bytes:
    rng = mutator.rng
    message: list[Any]
    match rng.randrange(10):
        case 0:
            return rng.choice((b"", b"\xff", b'["EOSE","a"]'))
        case 1 | 2 | 3:
            return cases.a_relay_message(mutator)
        case 4 | 5:
            note = sealing.signed(
                {"pubkey": AUTHOR.public_key, "created_at": NOW, "kind": 1, "tags": [], "content": str(rng.random())},
                AUTHOR,
            )
            message = ["EVENT", rng.choice(NAMES), mutator.changed(note) if mutator.is_so(0.5) else note]
        case 6:
            ids = [*talk.auths, a_note(str(20 * rng.randrange(30))).id]
            message = ["OK", rng.choice(ids), rng.random() < 0.5, rng.choice(_WORDS)]
        case 7:
            message = ["CLOSED", rng.choice(NAMES), rng.choice(_WORDS)]
        case 8:
            message = ["EOSE", rng.choice(NAMES)]
        case _:
            message = ["AUTH", rng.choice(("x", "y", "z" * 100, "w" * 5000, str(rng.random())))]
    return cases.mutant(message, mutator) if mutator.is_so(0.3) else mutator.rendered(message)


_WORDS: Final = ("", "auth-required: who", "rate-limited: slow", "error: x", "blocked: x", "duplicate:", "x" * 5000)


def check_facts(talk: Talk) -> int:
    """Judge what the link has to tell; return how many events it hands on."""
    taken = 0
    for fact in talk.happened():
        if isinstance(fact, Received):
            taken += 1
            if not NOTES.matches(fact.event) or sealing.identity_of(fact.event.to_dict()) != fact.event.id:
                raise Finding("an event that nobody asked for, or with another id, is handed on")
        for name in ("text", "message", "reason", "words"):
            if len(getattr(fact, name, "")) > MAX_REASON:
                raise Finding("a relay's words go on at any length")
    return taken


def check_good_event(talk: Talk) -> None:
    """See that the link still takes what is good."""
    talk.opens()
    talk.asks("good")
    talk.hears("EVENT", "good", HELLO.to_dict())
    if not any(isinstance(fact, Received) and fact.event == HELLO for fact in talk.happened()):
        raise Finding("a good event is not taken any more")

"""Publishing over a link: one verdict for each event, whatever happens to the connection."""

from __future__ import annotations

import pytest

from client.authentication import AuthState
from client.errors import LinkFull
from client.limits import LinkLimits
from client.publications import Outcome
from tests.support.link_conversation import DEMAND, HELLO, Conversation, a_note, auth_facts, judged
from tests.support.wraps import AUTHOR


@pytest.mark.parametrize(
    ("accepted", "message", "outcome"),
    [
        (True, "", Outcome.ACCEPTED),
        (True, "duplicate: had it", Outcome.ACCEPTED),
        (False, "rate-limited: slow down", Outcome.RATE_LIMITED),
        (False, "error: disk", Outcome.FAILED),
        (False, "blocked: no", Outcome.REFUSED),
    ],
)
def test_ok_settles_a_publication(accepted: bool, message: str, outcome: Outcome) -> None:
    relay = Conversation(AUTHOR)
    relay.opens()
    assert relay.publishes(HELLO) == ["EVENT hello"]
    assert relay.hears("OK", HELLO.id, accepted, message) == []
    relay.hears("OK", HELLO.id, not accepted, "too late")
    assert relay.happened() == [judged(outcome, message)]
    assert relay.link.waiting == 0
    assert relay.link.next_deadline() is None


def test_silence_leaves_a_publication_unanswered() -> None:
    relay = Conversation()
    relay.opens()
    relay.publishes(HELLO, seconds=15)
    relay.passes(14.9)
    assert relay.happened() == []
    relay.passes(0.1)
    relay.hears("OK", HELLO.id, True, "")
    assert relay.happened() == [judged(Outcome.UNANSWERED)]


def test_publication_waits_for_a_connection() -> None:
    relay = Conversation()
    relay.asks("a")
    assert relay.publishes(HELLO) == []
    assert relay.opens() == ["REQ a", "EVENT hello"]


def test_publication_without_a_connection_is_unanswered_at_its_deadline() -> None:
    relay = Conversation()
    relay.publishes(HELLO, seconds=15)
    relay.passes(15)
    assert relay.happened() == [judged(Outcome.UNANSWERED)]
    assert relay.opens() == []


def test_publication_is_sent_again_when_the_connection_is_lost_before_the_answer() -> None:
    relay = Conversation()
    relay.opens()
    relay.publishes(HELLO)
    relay.link.lost()
    assert relay.opens() == ["EVENT hello"]
    relay.hears("OK", HELLO.id, True, "duplicate: had it")
    assert relay.happened() == [judged(Outcome.ACCEPTED, "duplicate: had it")]


def test_publication_that_needs_authentication_is_sent_again_once() -> None:
    relay = Conversation(AUTHOR)
    relay.opens()
    relay.publishes(HELLO)
    assert relay.hears("OK", HELLO.id, False, DEMAND) == []
    assert relay.hears("AUTH", "c") == ["AUTH c 0"]
    assert relay.answers_auth("c", True) == ["EVENT hello"]
    assert relay.hears("OK", HELLO.id, False, DEMAND) == []
    assert relay.happened() == [*auth_facts(AuthState.ACCEPTED), judged(Outcome.AUTH_REQUIRED, DEMAND)]


def test_event_sent_before_our_answer_and_refused_after_it_is_sent_again() -> None:
    relay = Conversation(AUTHOR)
    relay.opens()
    relay.hears("AUTH", "c")
    relay.publishes(HELLO)
    relay.answers_auth("c", True)
    assert relay.hears("OK", HELLO.id, False, DEMAND) == ["EVENT hello"]


def test_each_challenge_of_a_stubborn_relay_does_not_bring_the_event_again() -> None:
    relay = Conversation(AUTHOR)
    relay.opens()
    relay.publishes(HELLO)
    relay.hears("OK", HELLO.id, False, DEMAND)
    relay.hears("AUTH", "one")
    assert relay.answers_auth("one", True) == ["EVENT hello"]
    relay.hears("AUTH", "two")
    relay.hears("OK", HELLO.id, False, DEMAND)
    assert relay.answers_auth("two", True) == []
    assert relay.link.waiting == 0


def test_authentication_that_never_comes_is_the_verdict_at_the_deadline() -> None:
    relay = Conversation(AUTHOR)
    relay.opens()
    relay.publishes(HELLO, seconds=15)
    relay.hears("OK", HELLO.id, False, DEMAND)
    relay.passes(15)
    assert relay.happened() == [judged(Outcome.AUTH_REQUIRED, DEMAND)]


def test_published_after_authentication_an_event_is_refused_at_once() -> None:
    relay = Conversation(AUTHOR)
    relay.opens()
    relay.hears("AUTH", "c")
    relay.answers_auth("c", True)
    relay.publishes(HELLO)
    assert relay.hears("OK", HELLO.id, False, DEMAND) == []
    assert relay.happened() == [*auth_facts(AuthState.ACCEPTED), judged(Outcome.AUTH_REQUIRED, DEMAND)]


def test_event_that_is_being_published_is_not_sent_twice_and_the_later_deadline_holds() -> None:
    relay = Conversation()
    relay.opens()
    assert relay.publishes(HELLO, seconds=15) == ["EVENT hello"]
    assert relay.publishes(HELLO, seconds=20) == []
    assert relay.publishes(HELLO, seconds=5) == []
    assert relay.link.next_deadline() == 20
    relay.hears("OK", HELLO.id, True, "")
    assert relay.happened() == [judged(Outcome.ACCEPTED)]


def test_forgotten_publication_is_neither_sent_nor_judged() -> None:
    relay = Conversation()
    relay.publishes(HELLO)
    relay.link.forget(HELLO.id)
    assert relay.opens() == []
    relay.hears("OK", HELLO.id, True, "")
    relay.passes(100)
    assert relay.happened() == []


def test_publications_are_bounded() -> None:
    relay = Conversation(limits=LinkLimits(max_publications=2))
    for content in ("one", "two", "one"):
        relay.publishes(a_note(content))
    with pytest.raises(LinkFull):
        relay.publishes(a_note("three"))


def test_deadlines_that_are_due_together_are_all_acted_on() -> None:
    relay = Conversation(AUTHOR, limits=LinkLimits(auth_seconds=10, delay_seconds=10))
    relay.asks("held")
    relay.asks("delayed")
    relay.opens()
    relay.publishes(HELLO, seconds=10)
    relay.hears("OK", HELLO.id, False, DEMAND)
    relay.hears("AUTH", "c")
    relay.hears("CLOSED", "held", DEMAND)
    relay.hears("CLOSED", "delayed", "rate-limited: later")
    assert relay.passes(100) == ["REQ held", "REQ delayed"]
    assert relay.happened() == [judged(Outcome.AUTH_REQUIRED, DEMAND), *auth_facts(AuthState.UNANSWERED)]
    assert relay.link.next_deadline() is None

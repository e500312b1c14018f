"""Authentication over a link, in every order that relays were seen to ask for it."""

from __future__ import annotations

import json

import pytest

from client.authentication import AuthState
from client.limits import LinkLimits
from client.link import Link, LinkCounts
from client.publications import Outcome
from client.subscriptions import StoredEnded, SubscriptionRefused, SubscriptionState
from nips.keys import SecretKey
from nips.nip42 import check_auth
from tests.support.link_conversation import DEMAND, HELLO, NOTES, URL, Conversation, auth_facts, judged
from tests.support.wraps import AUTHOR, BRIDGE, NOW


def test_challenge_is_answered_with_every_key() -> None:
    relay = Conversation(AUTHOR, BRIDGE)
    relay.link.opened()
    relay.link.receive('["AUTH","c"]', 0)
    for key in (AUTHOR, BRIDGE):
        verb, value = json.loads(relay.link.take_text() or "")
        assert verb == "AUTH"
        event = next(event for event in relay._auths["c"] if event.id == value["id"])
        proven = check_auth(event, relay_url=URL, challenge="c", now=NOW, window_seconds=60)
        assert proven == key.public_key
    assert relay.link.take_text() is None
    assert set(relay.link.auth.values()) == {AuthState.OFFERED}


def test_without_keys_a_challenge_stays_unanswered_and_what_needs_it_is_refused() -> None:
    relay = Conversation()
    relay.opens()
    relay.asks("a")
    relay.publishes(HELLO)
    assert relay.hears("AUTH", "c") == []
    assert relay.hears("CLOSED", "a", DEMAND) == []
    assert relay.hears("OK", HELLO.id, False, DEMAND) == []
    assert relay.happened() == [SubscriptionRefused("a", DEMAND), judged(Outcome.AUTH_REQUIRED, DEMAND)]


def test_relay_that_challenges_first_and_closes_is_asked_again_after_its_ok() -> None:
    relay = Conversation(AUTHOR, BRIDGE)
    relay.asks("a")
    assert relay.opens() == ["REQ a"]
    assert relay.hears("AUTH", "c") == ["AUTH c 0", "AUTH c 1"]
    assert relay.hears("CLOSED", "a", DEMAND) == []
    assert relay.link.subscriptions == {"a": SubscriptionState.HELD}
    assert relay.answers_auth("c", True, True) == ["REQ a"]
    relay.hears("EOSE", "a")
    assert relay.happened() == [*auth_facts(AuthState.ACCEPTED, AuthState.ACCEPTED), StoredEnded("a")]


def test_relay_that_challenges_only_after_it_refused_is_asked_again_too() -> None:
    relay = Conversation(AUTHOR)
    relay.asks("a")
    relay.opens()
    assert relay.hears("CLOSED", "a", DEMAND) == []
    assert relay.hears("AUTH", "c") == ["AUTH c 0"]
    assert relay.answers_auth("c", True) == ["REQ a"]


def test_relay_that_kept_the_request_open_but_withheld_events_is_asked_again() -> None:
    relay = Conversation(AUTHOR)
    relay.asks("a")
    relay.opens()
    relay.hears("EOSE", "a")
    assert relay.hears("AUTH", "c") == ["AUTH c 0"]
    assert relay.answers_auth("c", True) == ["REQ a"]
    assert relay.link.subscriptions == {"a": SubscriptionState.ASKED}


def test_relay_that_ends_what_it_refused_does_not_make_it_live() -> None:
    relay = Conversation(AUTHOR)
    relay.asks("a")
    relay.opens()
    relay.hears("AUTH", "c")
    relay.hears("CLOSED", "a", DEMAND)
    relay.hears("EOSE", "a")
    assert relay.link.subscriptions == {"a": SubscriptionState.HELD}
    assert relay.answers_auth("c", True) == ["REQ a"]


@pytest.mark.parametrize("message", [DEMAND, "restricted: no", "rate-limited: later"])
def test_end_of_what_was_refused_means_nothing(message: str) -> None:
    relay = Conversation()
    relay.asks("a")
    relay.opens()
    relay.hears("CLOSED", "a", message)
    relay.hears("EOSE", "a")
    assert relay.link.subscriptions["a"] in (SubscriptionState.REFUSED, SubscriptionState.DELAYED)


def test_relay_that_is_late_to_refuse_the_first_request_still_makes_the_second_live() -> None:
    relay = Conversation(AUTHOR)
    relay.asks("a")
    relay.opens()
    relay.hears("AUTH", "c")
    assert relay.answers_auth("c", True) == ["REQ a"]
    relay.hears("CLOSED", "a", DEMAND)
    relay.hears("EOSE", "a")
    assert relay.link.subscriptions == {"a": SubscriptionState.LIVE}
    assert relay.link.next_deadline() is None
    relay.link.unsubscribe("a")
    assert relay.sent() == ["CLOSE a"]


def test_request_waits_while_keys_wait_for_their_answer() -> None:
    relay = Conversation(AUTHOR)
    relay.opens()
    relay.hears("AUTH", "c")
    assert relay.asks("a") == []
    assert relay.link.subscriptions == {"a": SubscriptionState.HELD}
    assert relay.answers_auth("c", True) == ["REQ a"]


def test_held_request_is_sent_even_when_every_key_was_refused() -> None:
    relay = Conversation(AUTHOR)
    relay.opens()
    relay.hears("AUTH", "c")
    relay.asks("a")
    assert relay.answers_auth("c", False) == ["REQ a"]


def test_refused_key_is_a_fact_and_one_accepted_key_is_enough() -> None:
    relay = Conversation(AUTHOR, BRIDGE)
    relay.asks("a")
    relay.opens()
    relay.hears("AUTH", "c")
    relay.hears("CLOSED", "a", DEMAND)
    assert relay.answers_auth("c", True, False) == ["REQ a"]
    assert relay.happened() == auth_facts(AuthState.ACCEPTED, AuthState.REFUSED)
    assert relay.link.auth == {AUTHOR.public_key: AuthState.ACCEPTED, BRIDGE.public_key: AuthState.REFUSED}


def test_when_every_key_is_refused_so_is_what_needed_one() -> None:
    relay = Conversation(AUTHOR)
    relay.asks("a")
    relay.opens()
    relay.publishes(HELLO)
    relay.hears("AUTH", "c")
    relay.hears("CLOSED", "a", DEMAND)
    relay.hears("OK", HELLO.id, False, DEMAND)
    assert relay.answers_auth("c", False) == []
    assert relay.happened() == [
        *auth_facts(AuthState.REFUSED),
        SubscriptionRefused("a", DEMAND),
        judged(Outcome.AUTH_REQUIRED, DEMAND),
    ]


def test_relay_that_wants_authentication_after_accepting_it_is_not_asked_for_ever() -> None:
    relay = Conversation(AUTHOR)
    relay.asks("a")
    relay.opens()
    relay.hears("AUTH", "c")
    relay.answers_auth("c", True)
    assert relay.hears("CLOSED", "a", DEMAND) == []
    assert relay.happened() == [*auth_facts(AuthState.ACCEPTED), SubscriptionRefused("a", DEMAND)]


def test_new_challenge_revives_what_wanted_authentication() -> None:
    relay = Conversation(AUTHOR)
    relay.asks("a")
    relay.asks("b")
    relay.opens()
    relay.hears("AUTH", "one")
    relay.answers_auth("one", True)
    relay.hears("CLOSED", "a", DEMAND)
    relay.hears("CLOSED", "b", "restricted: never")
    assert relay.hears("AUTH", "two") == ["AUTH two 0"]
    assert relay.answers_auth("two", True) == ["REQ a"]


def test_repeated_challenge_is_answered_once() -> None:
    relay = Conversation(AUTHOR)
    relay.opens()
    assert relay.hears("AUTH", "c") == ["AUTH c 0"]
    assert relay.hears("AUTH", "c") == []
    relay.answers_auth("c", True)
    assert relay.hears("AUTH", "c") == []


def test_silence_after_our_answer_is_unknown_and_the_request_is_tried() -> None:
    relay = Conversation(AUTHOR, limits=LinkLimits(auth_seconds=10))
    relay.asks("a")
    relay.opens()
    relay.hears("AUTH", "c")
    relay.hears("CLOSED", "a", DEMAND)
    assert relay.passes(9.9) == []
    assert relay.passes(0.1) == ["REQ a"]
    assert relay.happened() == auth_facts(AuthState.UNANSWERED)


def test_challenge_that_was_announced_but_never_came_refuses_the_subscription() -> None:
    relay = Conversation(AUTHOR, limits=LinkLimits(auth_seconds=10))
    relay.asks("a")
    relay.opens()
    relay.hears("CLOSED", "a", DEMAND)
    assert relay.passes(10) == []
    assert relay.happened() == [SubscriptionRefused("a", DEMAND)]
    assert relay.hears("AUTH", "late") == ["AUTH late 0"]
    assert relay.answers_auth("late", True) == ["REQ a"]


def test_challenges_are_bounded_in_number_and_length() -> None:
    relay = Conversation(AUTHOR, limits=LinkLimits(max_challenges=2, max_challenge=5))
    relay.opens()
    assert relay.hears("AUTH", "x" * 6) == []
    assert [relay.hears("AUTH", challenge) for challenge in "abc"] == [["AUTH a 0"], ["AUTH b 0"], []]
    assert relay.link.counts == LinkCounts(malformed=2)


def test_relay_with_a_challenge_for_each_refusal_is_asked_again_when_all_are_answered() -> None:
    relay = Conversation(AUTHOR)
    relay.asks("a")
    relay.asks("b")
    relay.opens()
    assert relay.hears("AUTH", "one") == ["AUTH one 0"]
    relay.hears("CLOSED", "a", DEMAND)
    assert relay.hears("AUTH", "two") == ["AUTH two 0"]
    relay.hears("CLOSED", "b", DEMAND)
    assert relay.answers_auth("one", True) == []
    assert relay.answers_auth("two", False) == ["REQ a", "REQ b"]
    assert relay.link.auth == {AUTHOR.public_key: AuthState.ACCEPTED}


def test_next_connection_authenticates_anew() -> None:
    relay = Conversation(AUTHOR)
    relay.asks("a")
    relay.opens()
    relay.hears("AUTH", "c")
    relay.answers_auth("c", True)
    relay.link.lost()
    assert relay.link.auth == {}
    assert relay.link.next_deadline() is None
    assert relay.opens() == ["REQ a"]
    assert relay.hears("AUTH", "c") == ["AUTH c 0"]
    assert relay.answers_auth("c", True) == ["REQ a"]


def test_signer_without_answers_is_like_a_refusal() -> None:
    link = Link(sign_auth=lambda challenge: ([], True))
    link.subscribe("a", [NOTES])
    link.opened()
    link.receive(json.dumps(["CLOSED", "a", DEMAND]), 0)
    link.receive('["AUTH","c"]', 0)
    assert link.take_facts() == [SubscriptionRefused("a", DEMAND)]
    assert link.next_deadline() == LinkLimits().max_delay_seconds


def with_a_slow_key(*keys: SecretKey) -> Conversation:
    """Return a conversation in which the last key does not answer at once; a subscription was refused for its want."""
    relay = Conversation(*keys)
    relay.slow_keys = 1
    relay.asks("a")
    relay.opens()
    relay.hears("AUTH", "c")
    relay.hears("CLOSED", "a", DEMAND)
    return relay


def test_round_waits_for_a_key_that_somebody_else_holds() -> None:
    relay = with_a_slow_key(AUTHOR, BRIDGE)
    assert relay.hears("OK", relay._auths["c"][0].id, True, "") == []
    assert relay.link.subscriptions == {"a": SubscriptionState.HELD}
    assert not relay.link.is_ready
    assert relay.signs("c", 1) == ["AUTH c 1"]
    assert relay.hears("OK", relay._auths["c"][1].id, True, "") == ["REQ a"]
    assert set(relay.link.auth.values()) == {AuthState.ACCEPTED}


def test_what_was_published_meanwhile_waits_too() -> None:
    relay = with_a_slow_key(AUTHOR)
    relay.publishes(HELLO)
    assert relay.hears("OK", HELLO.id, False, DEMAND) == []
    assert relay.signs("c", 0) == ["AUTH c 0"]
    assert relay.answers_auth("c", True) == ["REQ a", "EVENT hello"]


def test_key_that_is_not_given_in_time_is_not_waited_for_and_counts_when_it_comes() -> None:
    relay = with_a_slow_key(AUTHOR)
    assert relay.passes(LinkLimits().auth_seconds) == []
    assert relay.happened() == [SubscriptionRefused("a", DEMAND)]
    assert relay.signs("c", 0) == ["AUTH c 0"]
    assert relay.answers_auth("c", True) == ["REQ a"]


def test_whoever_holds_the_key_may_refuse() -> None:
    relay = with_a_slow_key(AUTHOR)
    assert relay.signs("c") == []
    assert relay.happened() == [SubscriptionRefused("a", DEMAND)]


def test_answer_for_a_connection_that_is_over_is_not_sent() -> None:
    relay = with_a_slow_key(AUTHOR)
    relay.link.lost()
    assert relay.signs("c", 0) == []
    relay.opens()
    assert relay.signs("c", 0) == []
    assert relay.link.auth == {}

"""The link: what the relay says goes in, what it is told comes out."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

import client.link
from client.errors import LinkFull
from client.limits import LinkLimits
from client.link import Link, LinkCounts, Noticed
from client.publications import MAX_REASON
from client.subscriptions import Received, StoredEnded, SubscriptionRefused, SubscriptionState
from nips.filter import Filter
from tests.support.link_conversation import DEMAND, HELLO, NOTES, Conversation, a_note
from tests.support.wraps import AUTHOR

# Subscriptions


def test_subscription_before_the_connection_is_asked_when_it_opens() -> None:
    relay = Conversation()
    assert relay.asks("a") == []
    assert relay.link.subscriptions == {"a": SubscriptionState.IDLE}
    assert relay.opens() == ["REQ a"]
    assert relay.link.subscriptions == {"a": SubscriptionState.ASKED}


def test_subscription_on_an_open_connection_is_asked_at_once() -> None:
    relay = Conversation()
    relay.opens()
    assert relay.asks("a") == ["REQ a"]


def test_request_carries_the_filters() -> None:
    link = Link()
    link.opened()
    link.subscribe("a", [NOTES, Filter(since=5, tags={"p": frozenset({"ab" * 32})})])
    assert json.loads(link.take_text() or "") == ["REQ", "a", {"kinds": [1]}, {"#p": ["ab" * 32], "since": 5}]


def test_same_name_takes_the_place_of_the_old_filters() -> None:
    relay = Conversation()
    relay.opens()
    relay.asks("a")
    assert relay.asks("a", Filter(kinds=frozenset({2}))) == ["REQ a"]
    relay.hears("EVENT", "a", HELLO.to_dict())
    assert relay.link.counts.mismatched == 1


def test_end_of_stored_events_makes_a_subscription_live() -> None:
    relay = Conversation()
    relay.opens()
    relay.asks("a")
    relay.hears("EOSE", "a")
    relay.hears("EOSE", "a")
    assert relay.link.subscriptions == {"a": SubscriptionState.LIVE}
    assert relay.happened() == [StoredEnded("a")]


def test_given_up_subscription_is_closed() -> None:
    relay = Conversation()
    relay.opens()
    relay.asks("a")
    relay.link.unsubscribe("a")
    assert relay.sent() == ["CLOSE a"]
    relay.link.unsubscribe("a")
    assert relay.sent() == []


def test_subscription_given_up_before_it_was_sent_is_never_sent() -> None:
    relay = Conversation()
    relay.opens()
    relay.link.subscribe("a", [NOTES])
    relay.link.unsubscribe("a")
    assert relay.sent() == []


def test_subscription_that_the_relay_closed_needs_no_close() -> None:
    relay = Conversation()
    relay.opens()
    relay.asks("a")
    relay.hears("CLOSED", "a", "restricted: no")
    relay.link.unsubscribe("a")
    assert relay.sent() == []


@pytest.mark.parametrize("message", ["restricted: no", "blocked: no", "invalid: no", "unsupported: no", "pow: 20"])
def test_refused_subscription_is_asked_again_only_after_the_longest_wait(message: str) -> None:
    relay = Conversation(AUTHOR, limits=LinkLimits(max_delay_seconds=300.0))
    relay.opens()
    relay.asks("a")
    for _ in range(3):
        assert relay.hears("CLOSED", "a", message) == []
        assert relay.happened() == [SubscriptionRefused("a", message)]
        assert relay.passes(200.0) == []
        assert relay.hears("CLOSED", "a", message) == []
        assert relay.happened() == []
        assert relay.passes(99.9) == []
        assert relay.passes(0.2) == ["REQ a"]
    relay.hears("EOSE", "a")
    assert relay.link.subscriptions == {"a": SubscriptionState.LIVE}
    assert relay.link.next_deadline() is None


def test_refused_subscription_is_asked_again_on_the_next_connection() -> None:
    relay = Conversation(AUTHOR)
    relay.opens()
    relay.asks("a")
    relay.hears("CLOSED", "a", "blocked: no")
    relay.link.lost()
    assert relay.opens() == ["REQ a"]


@pytest.mark.parametrize("message", ["rate-limited: later", "error: shutting down", "", "idle for too long"])
def test_subscription_ended_for_now_is_asked_again_after_a_growing_while(message: str) -> None:
    relay = Conversation(limits=LinkLimits(delay_seconds=5, max_delay_seconds=12))
    relay.opens()
    relay.asks("a")
    for wait in (5, 10, 12, 12):
        assert relay.hears("CLOSED", "a", message) == []
        assert relay.link.subscriptions == {"a": SubscriptionState.DELAYED}
        assert relay.link.next_deadline() == relay.now + wait
        assert relay.passes(wait - 1) == []
        assert relay.passes(1) == ["REQ a"]
    assert relay.happened() == []


def test_answers_for_unknown_subscriptions_change_nothing() -> None:
    relay = Conversation(AUTHOR)
    relay.opens()
    assert relay.hears("CLOSED", "a", DEMAND) == []
    assert relay.hears("EOSE", "a") == []
    assert relay.hears("EVENT", "a", HELLO.to_dict()) == []
    assert relay.happened() == []
    assert relay.link.counts == LinkCounts(mismatched=1)


@pytest.mark.parametrize("name", ["", "x" * 65])
def test_subscription_needs_a_name_that_relays_take(name: str) -> None:
    with pytest.raises(ValueError, match="1 to 64"):
        Link().subscribe(name, [NOTES])


def test_subscription_needs_a_filter() -> None:
    with pytest.raises(ValueError, match="at least one filter"):
        Link().subscribe("a", [])


def test_subscriptions_are_bounded() -> None:
    link = Link(limits=LinkLimits(max_subscriptions=2))
    for name in ("a", "b", "a"):
        link.subscribe(name, [NOTES])
    with pytest.raises(LinkFull):
        link.subscribe("c", [NOTES])
    link.unsubscribe("a")
    link.subscribe("c", [NOTES])


# Events


def test_event_is_verified_and_handed_on_once() -> None:
    relay = Conversation()
    relay.asks("a")
    relay.opens()
    relay.hears("EVENT", "a", HELLO.to_dict())
    relay.hears("EVENT", "a", HELLO.to_dict())
    assert relay.happened() == [Received("a", HELLO)]
    assert relay.link.counts == LinkCounts(received=1, duplicates=1)


def test_event_that_two_subscriptions_want_is_handed_to_both() -> None:
    relay = Conversation()
    relay.asks("a")
    relay.asks("b")
    relay.opens()
    relay.hears("EVENT", "a", HELLO.to_dict())
    relay.hears("EVENT", "b", HELLO.to_dict())
    assert relay.happened() == [Received("a", HELLO), Received("b", HELLO)]


def test_event_seen_on_the_last_connection_is_not_handed_on_again() -> None:
    relay = Conversation()
    relay.asks("a")
    relay.opens()
    relay.hears("EVENT", "a", HELLO.to_dict())
    relay.link.lost()
    relay.opens()
    relay.hears("EVENT", "a", HELLO.to_dict())
    assert relay.link.counts == LinkCounts(received=1, duplicates=1)


def test_event_that_was_not_asked_for_is_dropped() -> None:
    relay = Conversation()
    relay.asks("a")
    relay.opens()
    relay.hears("EVENT", "a", a_note(kind=2).to_dict())
    assert relay.happened() == []
    assert relay.link.counts == LinkCounts(mismatched=1)


@pytest.mark.parametrize("change", [{"content": "other"}, {"sig": "00" * 64}, {"id": "00" * 32}], ids=str)
def test_forged_event_is_dropped_and_does_not_hide_the_true_one(change: dict[str, str]) -> None:
    relay = Conversation()
    relay.asks("a")
    relay.opens()
    relay.hears("EVENT", "a", HELLO.to_dict() | change)
    assert relay.happened() == []
    relay.hears("EVENT", "a", HELLO.to_dict())
    assert relay.happened() == [Received("a", HELLO)]
    assert relay.link.counts == LinkCounts(received=1, forged=1)


def test_memory_of_events_is_bounded() -> None:
    relay = Conversation(limits=LinkLimits(max_seen=3))
    relay.asks("a")
    relay.opens()
    notes = [a_note(str(number)) for number in range(10)]
    for note in [*notes, notes[-1], notes[0]]:
        relay.hears("EVENT", "a", note.to_dict())
    assert relay.link.counts == LinkCounts(received=11, duplicates=1)
    assert len(relay.link._seen) == 3


# Nonsense

NONSENSE = [
    "",
    "null",
    "{}",
    "[]",
    '["EVENT"]',
    '["EVENT","a",{}]',
    '["OK","x"]',
    '["OK","x",1,""]',
    '["CLOSED","a"]',
    '["AUTH"]',
    '["NOTICE",1]',
    '["COUNT","a",{"count":"1"}]',
    "[" * 100_000,
    '["NOTICE","' + "x" * 200_000 + '"]',
    b'["NOTICE","in a binary frame"]',
]


@pytest.mark.parametrize("nonsense", NONSENSE, ids=lambda value: str(value)[:20])
def test_nonsense_is_counted_and_nothing_else(nonsense: str | bytes) -> None:
    relay = Conversation(AUTHOR)
    relay.asks("a")
    relay.opens()
    assert relay.hears_raw(nonsense) == []
    assert relay.happened() == []
    assert relay.link.counts == LinkCounts(malformed=1)


def test_count_that_nobody_asked_for_is_no_answer_to_anything() -> None:
    relay = Conversation(AUTHOR)
    relay.asks("a")
    relay.opens()
    assert relay.hears_raw('["COUNT","a",{"count":1}]') == []
    assert relay.happened() == []
    assert relay.link.counts == LinkCounts(mismatched=1)


def test_relay_of_much_nonsense_is_hopeless_until_the_next_connection() -> None:
    relay = Conversation(limits=LinkLimits(max_offences=3))
    relay.opens()
    verdicts = []
    for _ in range(5):
        relay.hears_raw("nonsense")
        verdicts.append(relay.link.is_hopeless)
    assert verdicts == [False, False, False, True, True]
    relay.link.lost()
    relay.opens()
    assert not relay.link.is_hopeless
    assert relay.link.counts.malformed == 5


def test_notices_are_counted_and_cut() -> None:
    relay = Conversation()
    relay.opens()
    relay.hears("NOTICE", "x" * 10_000)
    assert relay.happened() == [Noticed("x" * MAX_REASON)]
    assert relay.link.counts == LinkCounts(notices=1)


def test_nothing_is_heard_without_a_connection() -> None:
    relay = Conversation(AUTHOR)
    relay.asks("a")
    assert relay.hears("AUTH", "c") == []
    assert relay.hears("EVENT", "a", HELLO.to_dict()) == []
    assert relay.hears_raw("nonsense") == []
    assert relay.link.counts == LinkCounts()


# Readiness


def test_link_is_ready_when_the_relay_has_settled_everything() -> None:
    relay = Conversation(AUTHOR)
    steps = [relay.link.is_ready]
    for step in (
        lambda: relay.opens(),
        lambda: relay.asks("a"),
        lambda: relay.hears("EOSE", "a"),
        lambda: relay.hears("AUTH", "c"),
        lambda: relay.answers_auth("c", True),
        lambda: relay.hears("EOSE", "a"),
        lambda: relay.asks("b"),
        lambda: relay.hears("CLOSED", "b", "blocked: no"),
        lambda: relay.link.lost(),
    ):
        step()
        steps.append(relay.link.is_ready)
    assert steps == [False, True, False, True, False, False, True, False, True, False]


def test_link_touches_no_socket_clock_or_randomness() -> None:
    folder = Path(client.link.__file__).parent
    for name in ("alarms", "authentication", "backoff", "envelope", "link", "publications", "results", "subscriptions"):
        tree = ast.parse((folder / f"{name}.py").read_text("utf-8"))
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert imported.isdisjoint({"asyncio", "time", "client.clock", "client.entropy", "websockets"}), name

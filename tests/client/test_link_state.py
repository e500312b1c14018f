"""Whatever a relay says, in whatever order: nothing raises, nothing grows, and every publication gets one verdict."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from client.errors import LinkFull
from client.limits import LinkLimits
from client.link import Link
from client.publications import MAX_REASON, Judged
from client.subscriptions import Received, SubscriptionState
from nips.event import VerifiedEvent
from nips.nip42 import make_auth
from tests.support.link_conversation import NOTES, URL, a_note
from tests.support.strategies import json_values, texts
from tests.support.wraps import AUTHOR, BRIDGE, NOW, drawn

LIMITS = LinkLimits(
    max_subscriptions=3, max_publications=3, max_seen=4, max_challenges=3, max_offences=20, auth_seconds=5
)
EVENTS = [a_note(str(number)) for number in range(6)] + [a_note("unwanted", kind=2)]
BY_ID = {event.id: event for event in EVENTS}
NAMES = ["a", "b", "c", "d"]
CHALLENGES = [f"challenge {number}" for number in range(5)]
AUTHS = {
    challenge: [
        make_auth(key, relay_url=URL, challenge=challenge, created_at=NOW, aux=drawn("aux")) for key in (AUTHOR, BRIDGE)
    ]
    for challenge in CHALLENGES
}

names = st.sampled_from(NAMES)
events = st.sampled_from(EVENTS)
ids = st.sampled_from([*BY_ID, *(event.id for answers in AUTHS.values() for event in answers)])
words = st.one_of(
    st.sampled_from(["", "auth-required: do", "rate-limited: later", "error: later", "restricted: no", "duplicate: x"]),
    st.text(max_size=600),
)
forged = events.map(lambda event: event.to_dict() | {"sig": "00" * 64})

messages: st.SearchStrategy[Any] = st.one_of(
    st.tuples(st.just("EVENT"), names, st.one_of(events.map(VerifiedEvent.to_dict), forged, json_values)),
    st.tuples(st.just("OK"), ids, st.booleans(), words),
    st.tuples(st.just("EOSE"), names),
    st.tuples(st.just("CLOSED"), names, words),
    st.tuples(st.just("AUTH"), st.sampled_from(CHALLENGES)),
    st.tuples(st.just("NOTICE"), words),
    st.tuples(st.sampled_from(["EVENT", "OK", "EOSE", "CLOSED", "AUTH", "NOTICE", "?"]), json_values),
    json_values,
)


def sign_auth(challenge: str) -> tuple[Sequence[VerifiedEvent], bool]:
    """Answer some challenges, and others only with the first key at once."""
    answers = AUTHS.get(challenge, [])
    return (answers[:1], False) if challenge in CHALLENGES[:2] else (answers, True)


class LinkMachine(RuleBasedStateMachine):
    """A caller, a relay and the passing of time, taking turns as they like."""

    def __init__(self) -> None:
        super().__init__()
        self.link = Link(sign_auth=sign_auth, limits=LIMITS)
        self.now = 0.0
        self.waiting: set[str] = set()
        self.sent_on_connection: Counter[str] = Counter()

    @rule()
    def open(self) -> None:
        self.link.opened()
        self.sent_on_connection.clear()

    @rule()
    def lose(self) -> None:
        self.link.lost()

    @rule(message=messages)
    def hear(self, message: Any) -> None:
        self.link.receive(json.dumps(message, ensure_ascii=False), self.now)

    @precondition(lambda self: self.link.is_open)
    @rule(answers=st.lists(st.tuples(ids, st.booleans()), max_size=4))
    def hear_verdicts(self, answers: list[tuple[str, bool]]) -> None:
        for event_id, accepted in answers:
            self.link.receive(json.dumps(["OK", event_id, accepted, "auth-required: do"]), self.now)

    @rule(challenge=st.sampled_from(CHALLENGES))
    def answer_late(self, challenge: str) -> None:
        self.link.authenticate(challenge, AUTHS[challenge][1:], self.now)

    @rule(seconds=st.sampled_from([0.0, 1.0, 5.0, 1000.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.link.tick(self.now)
        deadline = self.link.next_deadline()
        assert deadline is None or deadline > self.now

    @rule(name=names)
    def subscribe(self, name: str) -> None:
        known = name in self.link.subscriptions
        try:
            self.link.subscribe(name, [NOTES])
        except LinkFull:
            assert not known and len(self.link.subscriptions) == LIMITS.max_subscriptions

    @rule(name=names)
    def unsubscribe(self, name: str) -> None:
        self.link.unsubscribe(name)
        assert name not in self.link.subscriptions

    @rule(event=events, seconds=st.sampled_from([1.0, 10.0]))
    def publish(self, event: VerifiedEvent, seconds: float) -> None:
        try:
            self.link.publish(event, deadline=self.now + seconds)
            self.waiting.add(event.id)
        except LinkFull:
            assert len(self.waiting) == LIMITS.max_publications

    @rule(event=events)
    def forget(self, event: VerifiedEvent) -> None:
        self.link.forget(event.id)
        self.waiting.discard(event.id)

    @rule()
    def send(self) -> None:
        while (text := self.link.take_text()) is not None:
            message = json.loads(text)
            assert message[0] in ("REQ", "CLOSE", "EVENT", "AUTH")
            if message[0] == "AUTH":
                self.sent_on_connection[message[1]["id"]] += 1
                assert self.sent_on_connection[message[1]["id"]] == 1
            if message[0] == "REQ":
                assert self.link.subscriptions[message[1]] is not SubscriptionState.IDLE

    @invariant()
    def every_fact_is_true(self) -> None:
        for fact in self.link.take_facts():
            if isinstance(fact, Judged):
                self.waiting.remove(fact.event_id)
                assert len(fact.verdict.message) <= MAX_REASON
            elif isinstance(fact, Received):
                assert fact.event == BY_ID[fact.event.id]
                assert NOTES.matches(fact.event)

    @invariant()
    def nothing_grows(self) -> None:
        assert self.link.waiting == len(self.waiting) <= LIMITS.max_publications
        assert len(self.link.subscriptions) <= LIMITS.max_subscriptions
        assert len(self.link._seen) <= LIMITS.max_seen
        assert len(self.link._alarms) <= 1 + LIMITS.max_publications + LIMITS.max_subscriptions
        publications, subscriptions = LIMITS.max_publications, LIMITS.max_subscriptions
        # An AUTH for each key and challenge, an EVENT for each publication, a REQ and a CLOSE for each name.
        assert len(self.link._outbox) <= 2 * LIMITS.max_challenges + publications + 2 * subscriptions

    @invariant()
    def readiness_needs_a_connection(self) -> None:
        states = self.link.subscriptions.values()
        assert not self.link.is_ready or self.link.is_open
        assert self.link.is_open or set(states) <= {SubscriptionState.IDLE}


LinkMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestLinkMachine = LinkMachine.TestCase


@given(st.lists(st.one_of(texts, st.binary(), json_values.map(json.dumps), messages.map(json.dumps)), max_size=30))
def test_no_text_of_a_relay_raises(frames: list[str | bytes]) -> None:
    link = Link(sign_auth=sign_auth, limits=LIMITS)
    link.subscribe("a", [NOTES])
    link.publish(EVENTS[0], deadline=10)
    link.opened()
    for frame in frames:
        link.receive(frame, 0)
    link.tick(1_000)
    assert link.waiting == 0

"""The index of open subscriptions, and what it delivers."""

from __future__ import annotations

from collections.abc import Set

import pytest

from bridge.relay.subscriptions import Subscription, Subscriptions
from bridge.relay.under_way import UnderWay
from bridge.relay.visibility import ReadProtection
from nips.event import Event
from nips.filter import Candidate, Filter
from nips.keys import SecretKey
from nips.messages import Delivered
from tests.bridge.relay.builders import (
    ALICE,
    BOB,
    BRIDGE,
    LIVE,
    NOW,
    STORED,
    a_filter,
    a_key,
    a_wrap,
    an_event,
    heard,
)


class Client:
    """Receives what is pushed."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.is_gone = False

    def push(self, text: str) -> bool:
        if not self.is_gone:
            self.texts.append(text)
        return not self.is_gone

    @property
    def got(self) -> list[tuple[str, str]]:
        """Subscription and event id of each delivery."""
        messages = [heard(text) for text in self.texts]
        return [(message.subscription, message.event.id) for message in messages if isinstance(message, Delivered)]


def a_subscription(
    identity: str = "s", *filters: Filter, who: SecretKey = ALICE, live: bool = True, max_held: int = 10
) -> Subscription:
    views = ReadProtection(BRIDGE.public_key).views(filters or [a_filter()], [who.public_key])
    subscription = Subscription(identity, views, max_held=max_held)
    if live:
        assert subscription.next_held(UnderWay()) is None
    return subscription


@pytest.fixture
def index() -> Subscriptions:
    return Subscriptions()


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.mark.parametrize("kind", [STORED, LIVE])
def test_wrap_reaches_its_recipient_and_nobody_else(index: Subscriptions, kind: int) -> None:
    alice, bob = Client(), Client()
    index.add(a_subscription(), alice.push)
    index.add(a_subscription(who=BOB), bob.push)
    wrap = a_wrap(ALICE, kind=kind)
    assert index.deliver(wrap) == 1
    assert (alice.got, bob.got) == ([("s", wrap.id)], [])


def test_every_matching_subscription_gets_the_event(index: Subscriptions, client: Client) -> None:
    other = Client()
    index.add(a_subscription("one"), client.push)
    index.add(a_subscription("two", a_filter(kinds=[STORED])), client.push)
    index.add(a_subscription("three", a_filter(kinds=[0])), client.push)
    index.add(a_subscription("four"), other.push)
    wrap = a_wrap()
    assert index.deliver(wrap) == 3
    assert client.got == [("one", wrap.id), ("two", wrap.id)]
    assert other.got == [("four", wrap.id)]


def test_event_comes_once_though_several_filters_match(index: Subscriptions, client: Client) -> None:
    index.add(a_subscription("s", a_filter(), a_filter(kinds=[STORED])), client.push)
    assert index.deliver(a_wrap()) == 1


def test_public_event_reaches_everybody_who_asked(index: Subscriptions, client: Client) -> None:
    index.add(a_subscription("all"), client.push)
    index.add(a_subscription("wraps", a_filter(kinds=[STORED])), client.push)
    index.add(a_subscription("kind", a_filter(kinds=[24133])), client.push)
    event = an_event(kind=24133)
    assert index.deliver(event) == 2
    assert client.got == [("all", event.id), ("kind", event.id)]


def test_only_those_that_could_want_its_kind_look_at_an_event(
    index: Subscriptions, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        index.add(a_subscription(f"other {number}", a_filter(kinds=[0, 3])), client.push)
        index.add(a_subscription(f"wraps {number}", a_filter(kinds=[STORED])), client.push)
    index.add(a_subscription("this", a_filter(kinds=[0]), a_filter(kinds=[STORED, 24133])), client.push)
    index.add(a_subscription("any", a_filter(kinds=[0]), a_filter(t=["call"])), client.push)
    looked: list[str] = []
    shows = Subscription.shows

    def noted(subscription: Subscription, event: Event | Candidate) -> bool:
        looked.append(subscription.id)
        return shows(subscription, event)

    monkeypatch.setattr(Subscription, "shows", noted)
    index.deliver(an_event(kind=24133))
    assert sorted(looked) == ["any", "this"]


def test_tags_of_an_event_are_gone_through_once_for_all(
    index: Subscriptions, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Candidate] = []
    values = Candidate.values

    def noted(candidate: Candidate, letter: str) -> Set[str]:
        asked.append(candidate)
        return values(candidate, letter)

    monkeypatch.setattr(Candidate, "values", noted)
    for number in range(20):
        filters = [a_filter(kinds=[24133], t=["call"], **{letter: ["x"]}) for letter in "abcdfghijk"]
        index.add(a_subscription(str(number), *filters), client.push)
    assert index.deliver(an_event(kind=24133, tags=[("t", "call")])) == 0
    assert len(asked) >= 200
    assert len(set(map(id, asked))) == 1


def test_limit_does_not_count_for_live_events(index: Subscriptions, client: Client) -> None:
    index.add(a_subscription("s", a_filter(limit=0)), client.push)
    assert index.deliver(a_wrap()) == 1


@pytest.mark.parametrize("kind", [STORED, LIVE])
def test_wrap_for_the_bridge_is_delivered_to_nobody(index: Subscriptions, client: Client, kind: int) -> None:
    index.add(a_subscription(who=BRIDGE), client.push)
    assert index.deliver(a_wrap(BRIDGE, kind=kind)) == 0
    assert not index.is_listening(BRIDGE.public_key, kind, NOW)


def test_client_that_is_gone_does_not_count(index: Subscriptions, client: Client) -> None:
    client.is_gone = True
    index.add(a_subscription(), client.push)
    assert index.deliver(a_wrap()) == 0


def test_removed_subscription_gets_nothing_and_leaves_nothing(index: Subscriptions, client: Client) -> None:
    subscription = a_subscription()
    index.add(subscription, client.push)
    index.remove(subscription)
    index.remove(subscription)
    assert index.deliver(a_wrap()) == 0
    assert index.deliver(an_event()) == 0
    assert len(index) == 0
    assert (index._by_recipient, index._by_kind) == ({}, {})


def test_subscription_added_again_is_found_by_its_new_views(index: Subscriptions, client: Client) -> None:
    subscription = a_subscription()
    index.add(subscription, client.push)
    subscription.views = ReadProtection(BRIDGE.public_key).views([a_filter()], [BOB.public_key])
    index.add(subscription, client.push)
    assert index.deliver(a_wrap(ALICE)) == 0
    assert index.deliver(a_wrap(BOB)) == 1
    index.remove(subscription)
    assert index._by_recipient == {}


@pytest.mark.parametrize(
    ("wanted", "stored", "live"),
    [
        (a_filter(), True, True),
        (a_filter(kinds=[STORED]), True, False),
        (a_filter(kinds=[LIVE], p=[ALICE.public_key]), False, True),
        (a_filter(p=[ALICE.public_key, BOB.public_key]), True, True),
        (a_filter(since=NOW), True, True),
        (a_filter(since=NOW + 1), False, False),
        (a_filter(until=NOW - 1), False, False),
        (a_filter(kinds=[0]), False, False),
        (a_filter(p=[BOB.public_key]), False, False),
        (a_filter(ids=["00" * 32]), False, False),
        (a_filter(authors=[ALICE.public_key]), False, False),
        (a_filter(t=["call"]), False, False),
    ],
)
def test_listening_is_what_would_get_a_wrap_of_now(
    index: Subscriptions, client: Client, wanted: Filter, stored: bool, live: bool
) -> None:
    subscription = a_subscription("s", wanted)
    index.add(subscription, client.push)
    assert index.is_listening(ALICE.public_key, STORED, NOW) is stored
    assert index.is_listening(ALICE.public_key, LIVE, NOW) is live
    assert not index.is_listening(BOB.public_key, LIVE, NOW)
    assert subscription.keys_heard(NOW) == ({ALICE.public_key} if stored or live else set())


def test_keys_are_heard_of_every_filter() -> None:
    open_to_all = ReadProtection(BRIDGE.public_key, read_without_auth=True)
    many = [a_key(str(number)).public_key for number in range(20)]
    views = open_to_all.views([a_filter(p=many[:10]), a_filter(p=many[10:]), a_filter(p=many, since=NOW + 1)], [])
    assert Subscription("s", views, max_held=1).keys_heard(NOW) == set(many)


def test_live_events_are_held_until_the_stored_ones_are_sent(index: Subscriptions, client: Client) -> None:
    subscription = a_subscription(live=False)
    index.add(subscription, client.push)
    stored, both, later = a_wrap(content="1"), a_wrap(content="2"), a_wrap(content="3")
    assert subscription.frame(stored.id, stored.to_json())
    assert index.deliver(both) == 1
    assert subscription.frame(both.id, both.to_json())
    assert index.deliver(later) == 1
    assert client.got == []
    frame = subscription.next_held(UnderWay())
    assert frame is not None
    message = heard(frame)
    assert isinstance(message, Delivered)
    assert message.event.id == later.id
    during = a_wrap(content="4")
    assert index.deliver(during) == 1
    assert client.got == []
    assert subscription.next_held(UnderWay()) is not None
    assert subscription.next_held(UnderWay()) is None
    live = a_wrap(content="5")
    assert index.deliver(live) == 1
    assert client.got == [("s", live.id)]


def test_stored_event_is_framed_once() -> None:
    subscription = a_subscription(live=False)
    event = a_wrap()
    assert subscription.frame(event.id, event.to_json())
    assert subscription.frame(event.id, event.to_json()) is None


def test_no_more_is_held_than_allowed_and_the_hole_is_known(index: Subscriptions, client: Client) -> None:
    subscription = a_subscription(live=False, max_held=3)
    index.add(subscription, client.push)
    reached = [index.deliver(a_wrap(content=str(number))) for number in range(10)]
    assert reached == [1, 1, 1, *[0] * 7]
    assert subscription.is_lost
    assert subscription.next_held(UnderWay()) is None


def test_subscription_id_cannot_break_the_frame(index: Subscriptions, client: Client) -> None:
    identity = '"],["NOTICE","'
    index.add(a_subscription(identity), client.push)
    wrap = a_wrap()
    index.deliver(wrap)
    assert client.got == [(identity, wrap.id)]


# --- with whom a wrap is for


@pytest.mark.parametrize(("proved", "is_with_its_recipient"), [([], False), ([BOB], False), ([BOB, ALICE], True)])
def test_wrap_is_handed_over_only_to_who_proved_its_recipients_key(
    index: Subscriptions, client: Client, proved: list[SecretKey], is_with_its_recipient: bool
) -> None:
    rule, keys = ReadProtection(BRIDGE.public_key, read_without_auth=True), [key.public_key for key in proved]
    subscription = Subscription("s", rule.views([a_filter(p=[ALICE.public_key])], keys), max_held=10)
    subscription.next_held(UnderWay())
    index.add(subscription, client.push)
    wrap = a_wrap(kind=LIVE)
    assert index.is_listening(ALICE.public_key, LIVE, NOW)
    assert index.hand_over(wrap) is is_with_its_recipient
    assert client.got == [("s", wrap.id)]


def test_wrap_that_its_recipient_did_not_get_is_not_handed_over(index: Subscriptions, client: Client) -> None:
    rule, gone = ReadProtection(BRIDGE.public_key, read_without_auth=True), Client()
    stranger = Subscription("t", rule.views([a_filter(p=[ALICE.public_key])], []), max_held=10)
    stranger.next_held(UnderWay())
    gone.is_gone = True
    index.add(stranger, client.push)
    index.add(a_subscription(), gone.push)
    assert not index.hand_over(a_wrap(kind=LIVE))
    assert len(client.got) == 1


def test_live_answer_is_not_handed_to_a_subscription_that_still_sends_what_is_stored(
    index: Subscriptions, client: Client
) -> None:
    waiting = a_subscription(live=False)
    index.add(waiting, client.push)
    assert not index.has_listeners(ALICE.public_key)
    assert not index.is_listening(ALICE.public_key, LIVE, NOW)
    assert not index.hand_over(a_wrap(ALICE, kind=LIVE))
    # Nor is it held: it would come twice once its asker is told to listen.
    assert waiting.next_held(UnderWay()) is None
    assert index.has_listeners(ALICE.public_key)
    assert index.hand_over(a_wrap(ALICE, kind=LIVE))

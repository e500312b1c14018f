"""Subscriptions: what was asked for, and a memory of what was handed on that never grows."""

from __future__ import annotations

import pytest

from client.subscriptions import RecentlySeen, Subscription, SubscriptionState
from nips.event import sign_event
from nips.filter import Filter
from tests.support.wraps import AUTHOR, NOW, drawn


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ((Filter(kinds=frozenset({1})),), True),
        ((Filter(kinds=frozenset({2})), Filter(kinds=frozenset({1}))), True),
        ((Filter(kinds=frozenset({2})), Filter(since=NOW + 1)), False),
        ((), False),
    ],
)
def test_event_is_wanted_when_one_filter_matches(filters: tuple[Filter, ...], wanted: bool) -> None:
    event = sign_event(AUTHOR, created_at=NOW, kind=1, tags=[], content="", aux=drawn("aux"))
    assert Subscription("a", filters).wants(event) is wanted


@pytest.mark.parametrize("state", list(SubscriptionState))
def test_subscription_is_settled_when_the_relay_has_said_yes_or_no(state: SubscriptionState) -> None:
    settled = state in (SubscriptionState.LIVE, SubscriptionState.REFUSED)
    assert Subscription("a", (), state=state).is_settled is settled


def test_new_connection_knows_nothing_of_what_the_last_relay_said() -> None:
    filters = (Filter(),)
    subscription = Subscription("a", filters, SubscriptionState.HELD, "auth-required: do", True, 3)
    subscription.forget_connection()
    assert subscription == Subscription("a", filters)


def test_oldest_is_forgotten_first() -> None:
    seen = RecentlySeen(2)
    for event_id in ("1", "2", "1", "3"):
        seen.add(("a", event_id))
    assert len(seen) == 2
    assert ("a", "1") in seen
    assert ("a", "2") not in seen


def test_what_one_subscription_saw_is_new_to_another() -> None:
    seen = RecentlySeen(10)
    seen.add(("a", "1"))
    assert ("b", "1") not in seen

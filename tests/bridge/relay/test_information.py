"""The NIP-11 document says what is true."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bridge.relay.information import RelayProfile, relay_information
from bridge.relay.limits import PublishLimits, QueryLimits, RelayLimits, SessionLimits, TimeWindow
from nips.messages import MessageLimits
from nips.nip59 import WrapWindow
from tests.bridge.relay.builders import BRIDGE, a_wrap

LIMITS = RelayLimits(
    session=SessionLimits(message=MessageLimits(max_message_bytes=9000, max_subscription_id=33), max_subscriptions=7),
    publish=PublishLimits(
        max_event_bytes=8000,
        max_event_tags=11,
        min_pow_difficulty=5,
        window=WrapWindow(future_seconds=99),
        public_window=TimeWindow(past_seconds=200_000, future_seconds=50),
    ),
    query=QueryLimits(max_limit=55, default_limit=44),
)


def test_document_holds_the_limits_that_hold() -> None:
    document = json.loads(relay_information(RelayProfile("Name"), LIMITS, bridge=BRIDGE.public_key).to_json())
    assert document["limitation"] == {
        "max_message_length": 9000,
        "max_subscriptions": 7,
        "max_limit": 55,
        "default_limit": 44,
        "max_subid_length": 33,
        "max_event_tags": 11,
        "max_content_length": 8000 - 1024,
        "min_pow_difficulty": 5,
        "auth_required": False,
        "payment_required": False,
        "restricted_writes": True,
        "created_at_lower_limit": 200_000,
        "created_at_upper_limit": 99,
    }


@pytest.mark.parametrize(
    ("kind", "widest"),
    [(10050, TimeWindow(300_000, 99)), (24133, TimeWindow(300_000, 99)), (30000, TimeWindow(200_000, 99))],
)
def test_times_told_are_those_outside_of_which_nothing_is_taken(kind: int, widest: TimeWindow) -> None:
    publish = replace(LIMITS.publish, kind_windows={kind: TimeWindow(300_000, 1)})
    assert publish.widest_window == widest


def test_bridge_is_found_in_self() -> None:
    profile = RelayProfile("Name", "What it is", "mailto:me@example.org", version="1.2.3")
    document = json.loads(relay_information(profile, LIMITS, bridge=BRIDGE.public_key).to_json())
    assert document["self"] == BRIDGE.public_key
    assert document["name"] == "Name"
    assert document["description"] == "What it is"
    assert document["contact"] == "mailto:me@example.org"
    assert document["version"] == "1.2.3"
    assert "pubkey" not in document
    assert "software" not in document  # NIP-11 wants the address of a homepage


@pytest.mark.parametrize(
    ("publish", "more"),
    [
        (PublishLimits(), [65]),
        (PublishLimits(min_pow_difficulty=1), [13, 65]),
        (PublishLimits(replaceable_kinds=frozenset({0})), []),
    ],
)
def test_nips_are_those_that_count_under_the_settings(publish: PublishLimits, more: list[int]) -> None:
    limits = RelayLimits(publish=publish)
    found = relay_information(RelayProfile(), limits, bridge=BRIDGE.public_key).supported_nips
    assert list(found) == sorted([1, 9, 11, 17, 40, 42, 45, 59, 62, 67, 70, *more])


def test_wrap_with_content_of_the_greatest_length_is_not_too_large() -> None:
    limitation = relay_information(RelayProfile(), LIMITS, bridge=BRIDGE.public_key).limitation
    assert limitation.max_content_length is not None
    wrap = a_wrap(content="A" * limitation.max_content_length, tags=[("expiration", "1" * 16)])
    assert len(wrap.to_json()) <= LIMITS.publish.max_event_bytes

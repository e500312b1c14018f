"""What a bridge says about itself."""

from __future__ import annotations

import json

from bridge.announcements import announcements
from bridge.settings.endpoint import BridgeSettings
from nips import kinds
from nips.event import Event, verify_event
from nips.nip65 import RelayList, parse_relay_list
from tests.support.clock import FixedClock
from tests.support.entropy import SeededEntropy
from tests.support.wraps import BRIDGE

RELAYS = ["wss://bridge.example", "wss://other.example"]


def published() -> dict[int, Event]:
    settings = BridgeSettings(name="Ours", description="Signals calls.")
    events = announcements(BRIDGE, settings, RELAYS, clock=FixedClock(1_800_000_000), entropy=SeededEntropy())
    return {event.kind: event for event in events}


def test_events_are_the_bridges_own_and_of_now() -> None:
    events = published()
    assert set(events) == {kinds.INBOX_RELAYS, kinds.RELAY_LIST, kinds.HANDLER}
    for event in events.values():
        verify_event(Event(event.id, event.pubkey, event.created_at, event.kind, event.tags, event.content, event.sig))
        assert (event.pubkey, event.created_at) == (BRIDGE.public_key, 1_800_000_000)


def test_clients_learn_where_the_bridge_reads() -> None:
    assert published()[kinds.INBOX_RELAYS].tag_values("relay") == RELAYS


def test_others_learn_where_the_bridge_writes_and_where_it_is_mentioned() -> None:
    assert parse_relay_list(published()[kinds.RELAY_LIST], maximum=10) == RelayList(tuple(RELAYS), tuple(RELAYS))


def test_clients_learn_what_the_bridge_answers() -> None:
    handler = published()[kinds.HANDLER]
    assert handler.tag_values("k") == [str(kinds.BRIDGE_REQUEST)]
    assert handler.tag_values("d") == ["switchboard"]
    content = json.loads(handler.content)
    assert (content["name"], content["about"]) == ("Ours", "Signals calls.")

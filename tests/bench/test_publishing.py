"""Publishing: what is counted was accepted once and is stored, or there is no figure."""

from __future__ import annotations

import pytest

from bench import publishing
from bench.machine import Cores
from bench.peers.relays import LOCAL_RELAY, NOSTR_RELAY
from bench.program import Program
from bench.publishing import EVENT_BYTES, NotStored, publish, wraps
from bench.scope import TINY
from client.entropy import draw_key
from nips.event import parse_event, verify_event
from nips.strict_json import parse
from tests.bench.conftest import Count
from tests.bench.rows import peers_by_name
from tests.support.entropy import SeededEntropy

RECIPIENT = draw_key(SeededEntropy("recipient")).public_key


def test_every_published_wrap_is_stored(program: Program, count: Count) -> None:
    assert publish(program.url, wraps(12, [RECIPIENT])).done == count("gift_wraps") == 12


def test_what_was_not_sent_in_time_is_not_counted(program: Program, count: Count) -> None:
    run = publish(program.url, wraps(12, [RECIPIENT]), connections=2, window=1, seconds=0)
    assert run.done == count("gift_wraps") == 2


def test_wrap_that_was_there_already_gives_no_figure(program: Program) -> None:
    events = wraps(3, [RECIPIENT])
    with pytest.raises(NotStored):
        publish(program.url, [*events, events[0]], connections=1)


def test_wrap_has_the_size_that_the_figure_names() -> None:
    (event,) = wraps(1, [RECIPIENT])
    assert verify_event(parse_event(parse(event.to_json(), max_bytes=65_536))) == event
    assert abs(len(event.to_json()) - EVENT_BYTES) < EVENT_BYTES * 0.02


def test_rates_stand_beside_two_relays(cores: Cores) -> None:
    peers = {LOCAL_RELAY, NOSTR_RELAY}
    assert peers_by_name(publishing.measure(TINY, cores)) == {
        "publish 2.3 KB": peers,
        "publish 2.3 KB, waiting for each OK": peers,
    }

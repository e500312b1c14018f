"""Catching up: a relay that returns something else than what it accepted gets no figure."""

from __future__ import annotations

import pytest

from bench import catch_up
from bench.catch_up import Incomplete
from bench.machine import Cores
from bench.peers.relays import LOCAL_RELAY, NOSTR_RELAY
from bench.program import Program
from bench.publishing import publish, wraps
from bench.scope import TINY
from client.entropy import draw_key
from tests.bench.rows import peers_by_name
from tests.support.entropy import SeededEntropy


def test_times_stand_beside_two_relays(cores: Cores) -> None:
    figures = list(catch_up.measure(TINY, cores))
    assert peers_by_name(figures) == {"catch-up of 10 wraps, REQ to EOSE": {LOCAL_RELAY, NOSTR_RELAY}}
    assert {figure.aim for figure in figures} == {30.0}


@pytest.mark.parametrize("filters", [1, 2])
def test_every_event_is_read_however_many_filters_ask(program: Program, filters: int) -> None:
    recipient = draw_key(SeededEntropy(filters))
    events = wraps(7, [recipient.public_key])
    publish(program.url, events)
    assert catch_up.catch_up(program.url, recipient, events, proves=True, filters=filters) > 0


def test_event_that_is_missing_gives_no_figure(program: Program) -> None:
    recipient = draw_key(SeededEntropy("missing"))
    events = wraps(3, [recipient.public_key])
    publish(program.url, events[:2])
    with pytest.raises(Incomplete, match="2 of 3 events"):
        catch_up.catch_up(program.url, recipient, events, proves=True, filters=1)


def test_wraps_that_are_refused_give_no_figure(program: Program) -> None:
    recipient = draw_key(SeededEntropy("unproved"))
    events = wraps(1, [recipient.public_key])
    publish(program.url, events)
    with pytest.raises(Incomplete, match="0 of 1 events"):
        catch_up.catch_up(program.url, recipient, events, proves=False, filters=1)

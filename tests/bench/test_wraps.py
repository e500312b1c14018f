"""Opening and making wraps: what is counted was done, and done alike by all."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from bench import wraps
from bench.bound import OPENING, OPENING_KNOWN, WRAPPING, WRAPPING_KNOWN
from bench.machine import Cores
from bench.peers.steps import Material, PeerSteps, nostr_sdk, nostr_tools
from bench.scope import TINY
from bench.wraps import NotTheSame, making, material, opening
from nips.errors import InvalidEvent
from tests.bench.rows import peers_by_name


def test_rates_stand_beside_bound_and_libraries(cores: Cores) -> None:
    figures = list(wraps.measure(TINY, cores))
    assert peers_by_name(figures) == {
        "unwrap 1 KB": {OPENING, "nostr-sdk", "nostr-tools"},
        "wrap 1 KB": {WRAPPING, "nostr-sdk", "nostr-tools"},
        "unwrap 1 KB by a known author": {OPENING_KNOWN},
        "wrap 1 KB for a known recipient": {WRAPPING_KNOWN},
    }
    assert {(figure.peer, figure.aim) for figure in figures if figure.aim} == {(OPENING, 0.55), (WRAPPING, 0.5)}


def test_no_wrap_is_opened_twice_and_none_made_for_the_same_recipient() -> None:
    some = material(5)
    for work in (opening(some), making(some)):
        assert [work(3), work(3), work(3)] == [3, 2, 0]
    assert len(set(some.recipients)) == 5


def test_wrap_that_is_not_right_is_noticed() -> None:
    some = material(2)
    wrong = [text.replace('"sig":"', '"sig":"0', 1)[:-3] + '"}' for text in some.wraps]
    with pytest.raises(InvalidEvent):
        opening(dataclasses.replace(some, wraps=wrong))(1)


@pytest.mark.parametrize("library", [nostr_sdk, nostr_tools])
def test_library_opens_what_was_wrapped_and_wraps_for_others(library: Callable[[Material], PeerSteps]) -> None:
    some = material(3)
    with library(some) as steps:
        assert steps.rate("unwrap", 0.01) > 0
        wraps.check({"a library": steps})
        assert steps.rate("wrap", 0.01) > 0
        with pytest.raises(NotTheSame):
            wraps.check({"a library": steps})

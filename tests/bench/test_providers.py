"""Credentials over HTTP: counted like all others, and ready beforehand where the figure says so."""

from __future__ import annotations

from bench import providers
from bench.machine import Cores
from bench.scope import TINY
from tests.bench.rows import peers_by_name


def test_each_way_stands_beside_credentials_that_are_made_here(cores: Cores) -> None:
    assert peers_by_name(providers.measure(TINY, cores)) == {
        f"credentials: {way}, {how}": {providers.LOCAL}
        for way in (providers.FETCHED, providers.AHEAD)
        for how in ("by CPU time", "by the wall clock")
    }

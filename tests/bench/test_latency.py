"""Latency: one request at a time, beside what a durable answer cannot do without."""

from __future__ import annotations

from bench import latency
from bench.figures import Better
from bench.machine import Cores
from bench.scope import TINY
from tests.bench.rows import peers_by_name


def test_percentiles_stand_beside_curve_and_commit(cores: Cores) -> None:
    figures = list(latency.measure(TINY, cores))
    assert peers_by_name(figures) == {f"answer at low load, p{percent}": {latency.PEER} for percent in (50, 99)}
    assert [(figure.better, figure.aim) for figure in figures] == [(Better.LOWER, 5.0), (Better.LOWER, None)]


def test_percentile_is_interpolated() -> None:
    assert latency.percentile(range(101), 50) == 50
    assert latency.percentile(range(101), 99) == 99
    assert latency.percentile([0, 1], 50) == 0.5

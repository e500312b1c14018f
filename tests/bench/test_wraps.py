"""The bench measures what it says: shown by a short run, never by a figure."""

from __future__ import annotations

from bench.wraps import Figure, measure


def test_each_figure_stands_beside_its_bound() -> None:
    figures = list(measure(0.01))
    assert [figure.name for figure in figures] == ["wrap 1 KB", "unwrap 1 KB, all checks"]
    assert all(figure.value > 0 and figure.peer_value > 0 for figure in figures)


def test_ratio_is_ours_over_the_peers() -> None:
    assert Figure("a", 10.0, "1/s", "b", 40.0).ratio == 0.25

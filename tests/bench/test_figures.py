"""A figure's ratio, aim and published form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.figures import LATEST, Better, Figure, read, write

KEYS = ["name", "value", "unit", "better", "peer", "peer_value", "ratio", "aim"]


def a_figure(value: float, peer_value: float, *, better: Better = Better.HIGHER, aim: float | None = None) -> Figure:
    return Figure("a", value, "1/s", better, "b", peer_value, aim)


def test_ratio_is_ours_over_the_peers() -> None:
    assert a_figure(10.0, 40.0).ratio == 0.25


@pytest.mark.parametrize(
    ("figure", "reached"),
    [
        (a_figure(40, 100, aim=0.4), True),
        (a_figure(39, 100, aim=0.4), False),
        (a_figure(30, 1, better=Better.LOWER, aim=30), True),
        (a_figure(31, 100, better=Better.LOWER, aim=30), False),
        (a_figure(1, 1), None),
    ],
)
def test_aim_is_a_ratio_where_higher_is_better_and_a_value_where_lower_is(figure: Figure, reached: bool | None) -> None:
    assert figure.is_reached is reached


def test_published_form_is_one_array_of_flat_objects(tmp_path: Path) -> None:
    file = tmp_path / "latest.json"
    write([a_figure(1234.5678, 3, aim=0.4), a_figure(2, 4, better=Better.LOWER)], file)
    first, second = json.loads(file.read_text("utf-8"))
    assert list(first) == KEYS
    assert first == {
        "name": "a",
        "value": 1235.0,
        "unit": "1/s",
        "better": "higher",
        "peer": "b",
        "peer_value": 3.0,
        "ratio": 411.5,
        "aim": 0.4,
    }
    assert (second["better"], second["aim"]) == ("lower", None)
    assert [figure.to_dict() for figure in read(file)] == [
        {**kept, "ratio": pytest.approx(kept["ratio"], rel=1e-3)} for kept in (first, second)
    ]


@pytest.mark.skipif(not LATEST.exists(), reason="nothing is published yet")
def test_what_is_published_has_the_form_and_says_nothing_of_a_machine() -> None:
    text = LATEST.read_text("utf-8")
    kept = json.loads(text)
    assert kept
    for row in kept:
        assert list(row) == KEYS
        assert row["better"] in {"higher", "lower"}
        assert row["value"] > 0
        assert row["ratio"] == pytest.approx(row["value"] / row["peer_value"], rel=2e-3)
        assert row["aim"] is None or row["aim"] > 0
    assert len({(row["name"], row["peer"]) for row in kept}) == len(kept)
    assert not any(word in text for word in ("/home", "/root", "/tmp", "/work"))

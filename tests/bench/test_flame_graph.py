"""The picture: as wide as the time, and without a machine's paths."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from bench.flame_graph import WIDTH, drawn, place_of

STACKS = {
    ("main", "answer (bridge/inbox.py:1)", "verify (nips/keys.py:52)"): 3.0,
    ("main", "answer (bridge/inbox.py:1)", "verify (nips/keys.py:60)"): 1.0,
    ("main", "commit <all> (/somewhere/site-packages/aiosqlite/core.py:48)"): 4.0,
    ("main", "never seen (a.py:1)"): 0.001,
}


def bars(picture: str) -> dict[str, float]:
    root = ElementTree.fromstring(picture)
    groups = root.iter("{http://www.w3.org/2000/svg}g")
    return {group[0].text or "": float(group[1].get("width", "0")) for group in groups}


def test_bar_is_as_wide_as_its_share() -> None:
    widths = bars(drawn(STACKS, title="a < b"))
    named = {title.partition(":")[0]: width for title, width in widths.items()}
    assert named["verify (nips/keys.py)"] == pytest.approx(WIDTH / 2, abs=2)
    assert named["commit <all> (aiosqlite/core.py)"] == pytest.approx(WIDTH / 2, abs=2)
    assert named["all"] == pytest.approx(WIDTH, abs=1)
    assert "never seen (a.py)" not in named


@pytest.mark.parametrize(
    ("frame", "place"),
    [
        ("verify (nips/keys.py:52)", ("verify", "nips/keys.py")),
        ("f.<locals>.g (/a/b/site-packages/orjson/x.py:5)", ("f.<locals>.g", "orjson/x.py")),
        ("run (/usr/lib/python3.11/asyncio/runners.py:7)", ("run", "asyncio/runners.py")),
        ("main thread", ("main thread", "")),
    ],
)
def test_place_starts_at_its_package(frame: str, place: tuple[str, str]) -> None:
    assert place_of(frame) == place


def test_picture_names_no_path_of_a_machine() -> None:
    assert not re.search(r"somewhere|site-packages", drawn(STACKS, title=""))

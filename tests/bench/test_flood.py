"""The flood: all of it is refused, and an account is answered meanwhile."""

from __future__ import annotations

from pathlib import Path

from bench import bound, flood
from bench.figures import Better
from bench.machine import Cores
from bench.program import Program
from bench.scope import TINY
from bench.turn import askers
from nips import kinds
from tests.bench.rows import peers_by_name


def test_account_under_a_flood_stands_beside_itself_without(cores: Cores) -> None:
    figures = list(flood.measure(TINY, cores))
    assert peers_by_name(figures) == {
        **{
            f"answer to an account while fresh keys flood the bridge, p{percent}": {"the same without the flood"}
            for percent in (50, 99)
        },
        "wrap of a fresh key that is refused, CPU of the bridge": {bound.OPENING},
    }
    assert all(figure.better is Better.LOWER for figure in figures)
    (aimed,) = [figure for figure in figures if figure.aim is not None]
    assert abs(aimed.aim / aimed.peer_value - flood.AIM) < 0.01  # type: ignore[operator]


def test_nobody_of_the_flood_gets_an_account(tmp_path: Path, cores: Cores) -> None:
    with (
        Program(tmp_path / "home", cores=cores.measured, change=flood.for_floods) as program,
        askers(program, 1) as crowd,
    ):
        crowd.run(1, kind=kinds.EPHEMERAL_GIFT_WRAP)
        assert flood._during_flood(program, crowd, 40)
        with flood._flood(program, 40) as source:
            source.send("go")
            assert source.recv() == 40

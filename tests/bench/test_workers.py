"""Workers: both rows stand beside a bridge without, and the work really goes to processes of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench import workers
from bench.machine import Cores, family
from bench.program import Program
from bench.scope import TINY
from bench.workers import NAME, NONE, with_workers
from tests.bench.rows import peers_by_name


def test_figures_stand_beside_a_bridge_without_workers(cores: Cores) -> None:
    figures = list(workers.measure(replace(TINY, requests=400), cores))
    assert peers_by_name(figures) == {
        f"{NAME}, all cores, by the wall clock": {NONE},
        f"{NAME}, CPU of the main process": {NONE},
    }
    rate, own = figures
    assert own.value < own.peer_value
    assert rate.aim is own.aim is None


def test_bridge_has_its_workers(tmp_path: Path, cores: Cores) -> None:
    with Program(tmp_path / "home", cores=cores.measured, change=with_workers) as program:
        assert len(family(program.pid)) == 1 + workers.WORKERS

"""The command line: what is measured, and what is kept of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench import __main__ as command
from bench import page
from bench.figures import Better, Figure
from bench.machine import Cores
from bench.scope import FULL, QUICK, Scope

Measure = Callable[[Scope, Cores], Iterator[Figure]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, Scope]]:
    """Put measurements that take no time in the place of the real ones, and let files be written elsewhere."""
    calls: list[tuple[str, Scope]] = []

    def measuring(name: str) -> Measure:
        def measure(scope: Scope, _: Cores) -> Iterator[Figure]:
            calls.append((name, scope))
            yield Figure(name, 1.0, "1/s", Better.HIGHER, "peer", 2.0, 0.4)

        return measure

    monkeypatch.setattr(command, "MEASUREMENTS", {name: measuring(name) for name in command.MEASUREMENTS})
    monkeypatch.setattr(command, "LATEST", tmp_path / "latest.json")
    monkeypatch.setattr(command, "MACHINE", tmp_path / "machine.txt")
    monkeypatch.setattr(command, "write_page", (tmp_path / "page").touch)
    return calls


def test_whole_run_is_kept(asked: list[tuple[str, Scope]], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command.main([])
    assert asked == [(name, FULL) for name in command.MEASUREMENTS]
    assert [row["name"] for row in json.loads((tmp_path / "latest.json").read_text())] == list(command.MEASUREMENTS)
    assert "cores" in (tmp_path / "machine.txt").read_text()
    assert (tmp_path / "page").exists()
    said = capsys.readouterr()
    assert "\033[" not in said.out + said.err, "colours are for terminals"
    assert all(name in said.out for name in command.MEASUREMENTS)
    assert f"{len(asked)}/{len(asked)}  {asked[-1][0]}" in said.err


@pytest.mark.parametrize(
    ("options", "measured"),
    [
        (["--only", "turn"], [("turn", FULL)]),
        (["--only", "turn", "--only", "wraps"], [("wraps", FULL), ("turn", FULL)]),
        (["--quick"], [(name, QUICK) for name in command.MEASUREMENTS]),
    ],
)
def test_less_than_a_whole_run_is_shown_and_not_kept(
    asked: list[tuple[str, Scope]], tmp_path: Path, options: list[str], measured: list[tuple[str, Scope]]
) -> None:
    command.main(options)
    assert asked == measured
    assert list(tmp_path.iterdir()) == []


def test_measurement_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["--only", "nothing"])
    assert ended.value.code == 2
    assert "'turn'" in capsys.readouterr().err


def test_page_is_written_without_measuring(asked: list[tuple[str, Scope]], tmp_path: Path) -> None:
    command.main(["--write-docs"])
    assert asked == []
    assert [path.name for path in tmp_path.iterdir()] == ["page"]


def test_page_names_the_machine() -> None:
    assert page.MACHINE.read_text("utf-8").strip() in page.PAGE.read_text("utf-8")

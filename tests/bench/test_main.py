"""The command line: what is measured, and what is kept of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench import __main__ as command
from bench import figures, page
from bench.figures import Better, Figure
from bench.machine import Cores
from bench.scope import FULL, QUICK, Scope
from bench.table import table

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
    assert command.main([]) == 0
    assert asked == [(name, FULL) for name in command.MEASUREMENTS]
    assert [row["name"] for row in json.loads((tmp_path / "latest.json").read_text())] == list(command.MEASUREMENTS)
    assert re.search(r"cores, .*, (commit [0-9a-f]{10}|no commit)", (tmp_path / "machine.txt").read_text())
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


@pytest.mark.parametrize("options", [["--quick"], ["--only", "turn"]])
def test_page_alone_and_a_measurement_are_not_both_to_be_had(
    asked: list[tuple[str, Scope]], options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["--write-docs", *options])
    assert ended.value.code == 2
    assert "--write-docs" in capsys.readouterr().err
    assert asked == []


def test_page_is_written_without_measuring(asked: list[tuple[str, Scope]], tmp_path: Path) -> None:
    command.main(["--write-docs"])
    assert asked == []
    assert [path.name for path in tmp_path.iterdir()] == ["page"]


def test_failure_is_told_at_the_end_and_loses_no_other_figure(
    asked: list[tuple[str, Scope]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: Scope, __: Cores) -> Iterator[Figure]:
        yield Figure("half", 1.0, "1/s", Better.HIGHER, "peer", 2.0)
        raise ValueError("it went [away]")

    monkeypatch.setattr(command, "MEASUREMENTS", {**command.MEASUREMENTS, "turn": fail})
    assert command.main([]) == 1
    said = capsys.readouterr()
    assert "turn was not measured: ValueError: it went [away]" in said.err.splitlines()[-2]
    assert {name for name, _ in asked} | {"turn"} == command.MEASUREMENTS.keys()
    assert all(name in said.out for name, _ in asked)
    assert "half" in said.out
    assert list(tmp_path.iterdir()) == []


def test_figures_are_shown_before_the_next_are_measured(
    asked: list[tuple[str, Scope]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> Figure:
        raise KeyboardInterrupt

    def stop(_: Scope, __: Cores) -> Iterator[Figure]:
        yield interrupted()

    monkeypatch.setattr(command, "MEASUREMENTS", {**command.MEASUREMENTS, "turn": stop})
    with pytest.raises(KeyboardInterrupt):
        command.main([])
    assert "wraps" in capsys.readouterr().out
    assert [name for name, _ in asked] == ["wraps"]


def test_missing_peer_is_told_before_anything_is_measured(
    asked: list[tuple[str, Scope]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "NOSTR_RELAY_PROGRAM", tmp_path / "nothing")
    with pytest.raises(SystemExit) as ended:
        command.main(["--only", "publishing"])
    assert ended.value.code == 2
    assert "./test puts it there" in capsys.readouterr().err
    assert asked == []
    assert command.main(["--only", "turn"]) == 0


@pytest.mark.parametrize("columns", ["40", "80", "300"])
def test_rows_are_never_folded(
    asked: list[tuple[str, Scope]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    columns: str,
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    longest = max(figures.read(figures.LATEST), key=lambda figure: len(figure.name) + len(figure.peer))
    command.print_unfolded(table([longest]))
    (row,) = [line for line in capsys.readouterr().out.splitlines() if longest.name in line]
    assert longest.peer in row


def test_page_names_the_machine() -> None:
    assert page.MACHINE.read_text("utf-8").strip() in page.PAGE.read_text("utf-8")

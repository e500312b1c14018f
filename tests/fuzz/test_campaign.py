"""A hundred thousand mutated frames and wraps harm nothing, and a campaign that finds something says how to see it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz import __main__ as program
from tests.fuzz.campaign import ENOUGH_FOR_MEMORY, KINDS, SETTLED, Failure, Kind, Outcome, Run, run_campaign, save
from tests.support.deadline import SCALE

ROOT = Path(__file__).resolve().parent.parent.parent
MIB = 2**20


def test_hundred_thousand_frames_and_wraps_harm_nothing_and_leave_memory_flat(tmp_path: Path) -> None:
    # A process of its own, so that the memory is that of the campaign.
    ended = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--seed", "3", "--count", "100000", "--mutants-only"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=250 * SCALE,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    last = ended.stdout.splitlines()[-2]
    assert last.split()[:2] == ["100", "%"], ended.stdout
    assert int(last.split()[2].replace(",", "")) >= 100_000


def test_shares_add_up() -> None:
    assert 100_000 <= sum(kind.share for kind in KINDS.values() if kind.is_counted) <= 105_000
    assert {"sessions", "requests", "links", "sockets", "wrap"} <= KINDS.keys()


def _campaign(run: Run, *, count: int, seconds: float = 60) -> tuple[Outcome, list[str]]:
    said: list[str] = []
    kinds = {"odd": Kind(100_000, run)}
    return run_campaign(kinds, seed=7, count=count, seconds=seconds, say=said.append, measure=lambda: MIB), said


def _every_third_fails(seed: int, number: int) -> int:
    if number % 3 == 2:
        raise KeyError(f"{seed}/{number}")
    return 1


def test_campaign_goes_on_after_a_failure_and_names_the_case(tmp_path: Path) -> None:
    outcome, said = _campaign(_every_third_fails, count=20)
    assert [failure.number for failure in outcome.failures] == [2, 5, 8, 11, 14, 17]
    assert outcome.counted == 20
    assert "--seed 7 --kind odd --case 2" in outcome.failures[0].command
    assert "KeyError: '7/2'" in outcome.failures[0].report
    (report, *_) = save(outcome.failures, tmp_path)
    assert "--case 2" in report.read_text("utf-8")
    assert len(said) == 10 + 6
    assert any("--kind odd --case 17" in line for line in said)


def test_case_of_a_parser_is_saved_with_its_report(tmp_path: Path) -> None:
    (report,) = save([Failure("json", 1, 2, "")], tmp_path)
    assert report.with_suffix(".case").read_bytes()


def test_campaign_ends_after_too_many_failures() -> None:
    outcome, _ = _campaign(_every_third_fails, count=900)
    assert len(outcome.failures) == 10
    assert outcome.counted == 30


def test_campaign_ends_when_its_time_is_over() -> None:
    outcome, said = _campaign(lambda seed, number: 1, count=200, seconds=0)
    assert outcome.counted == 2
    assert len(said) == 1


def test_memory_that_grows_is_noticed() -> None:
    many = ENOUGH_FOR_MEMORY
    assert Outcome(many, memory=[10 * MIB, *[100 * MIB] * 50]).is_flat
    assert Outcome(many, memory=[*[100 * MIB] * 50, 109 * MIB]).is_flat
    assert not Outcome(many, memory=[*[100 * MIB] * 50, 111 * MIB]).is_flat
    assert not Outcome(many - 1, documents=1, memory=[*[10 * MIB] * 50, 19 * MIB]).is_flat


def test_memory_of_a_run_that_is_short_or_cut_short_says_nothing() -> None:
    growing = [*[10 * MIB] * 50, 100 * MIB]
    assert Outcome(ENOUGH_FOR_MEMORY - 1, memory=growing).is_flat
    assert Outcome(ENOUGH_FOR_MEMORY, memory=growing[-SETTLED:]).is_flat


def test_program_tells_by_its_status_what_it_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "KINDS", {"odd": Kind(100_000, _every_third_fails)})
    monkeypatch.setattr(program, "FOUND", tmp_path)
    monkeypatch.setattr(program, "resident_bytes", lambda: MIB)
    options = ["--seed", "7", "--mutants-only", "--count"]
    assert program.main([*options, "2"]) == 0
    assert program.main([*options, "3"]) == 1
    assert "-m tests.fuzz --seed 7 --kind odd --case 2" in capsys.readouterr().out
    assert program.main(["--seed", "7", "--kind", "odd", "--case", "1"]) == 0
    with pytest.raises(KeyError):
        program.main(["--seed", "7", "--kind", "odd", "--case", "2"])

"""What the fuzzer that watches branches is given: good seeds, steps that stay near them, targets that judge."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import __main__ as program
from tests.fuzz import guided
from tests.fuzz.judging import Finding, Target
from tests.support.deadline import SCALE
from tests.support.strategies import json_values, texts

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("name", guided.TARGETS)
def test_target_lives_through_its_seeds_and_what_is_made_of_them(name: str) -> None:
    for number in range(20):
        data = guided.a_seed(name, number).encode("utf-8", "replace")
        for step in range(10):
            guided.run_one(guided.TARGETS[name], data)
            data = guided.mutated(name, data, seed=1000 * number + step)[: guided.LONGEST]


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"\x00" * 200, b"[" * 4000, b"\n" * 100])
@pytest.mark.parametrize("name", guided.TARGETS)
def test_target_takes_any_bytes(name: str, data: bytes) -> None:
    guided.run_one(guided.TARGETS[name], data)


@pytest.mark.parametrize("name", guided.SESSIONS)
@given(
    lines=st.lists(st.one_of(json_values.map(json.dumps), texts.map(lambda text: text.replace("\n", ""))), max_size=8)
)
@settings(max_examples=60)
def test_session_takes_any_lines(name: str, lines: list[str]) -> None:
    guided.TARGETS[name].read("\n".join(lines))


def test_what_is_found_comes_out_of_a_target() -> None:
    def read(case: str) -> None:
        raise Finding(case)

    with pytest.raises(Finding, match="x"):
        guided.run_one(Target("broken", read, ()), b"x")


def test_short_run_finds_nothing_or_says_that_it_cannot_be_done(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.guided", "client-message", "3", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60 * SCALE,
        check=False,
    )
    if not guided.IS_INSTALLED:
        assert ended.returncode == 1
        assert "atheris is not installed: scripts/setup.sh fuzz" in ended.stderr
    else:
        assert ended.returncode == 0, ended.stderr
        assert program._executed(ended.stderr) > 100
        assert (tmp_path / "corpus" / "client-message" / "seed-0").is_file()


def test_program_does_without_what_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(guided, "IS_INSTALLED", False)
    assert program._guide(1)
    assert "mutants only" in capsys.readouterr().out


def test_program_names_the_target_that_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(guided, "IS_INSTALLED", True)
    monkeypatch.setattr(guided, "TARGETS", {"no-such-target": None})
    assert not program._guide(1)
    assert "no-such-target" in capsys.readouterr().out

"""Commands of developers: what they refuse, by which name, and how they end when somebody presses Ctrl-C."""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import flame, standing
from tests.fuzz import __main__ as fuzz
from tests.relay import check
from tests.soak import __main__ as soak
from tests.support import command_line
from tests.support.deadline import SCALE

ROOT = Path(__file__).resolve().parents[2]
RELAY = "ws://127.0.0.1:1"


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (command_line.count, "1", 1),
        (command_line.whole, "0", 0),
        (command_line.amount, "0.5", 0.5),
    ],
)
def test_what_makes_sense_is_read(read: Callable[[str], object], text: str, value: object) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("main", "arguments"),
    [
        *((fuzz.main, ["--count", text]) for text in ("0", "-1", "many", "1.5")),
        *((fuzz.main, ["--minutes", text]) for text in ("0", "nan", "inf", "-1")),
        (fuzz.main, ["--guided-seconds", "0"]),
        (fuzz.main, ["--case", "-1", "--kind", "json"]),
        (fuzz.main, ["--case", "1"]),
        *((soak.main, ["--seconds", text]) for text in ("0", "nan", "inf")),
        *((soak.main, ["--rate", text]) for text in ("0", "-3", "nan")),
        (soak.main, ["--workers", "-1"]),
        (soak.main, ["--sample-seconds", "nan"]),
        (soak.main, ["--result", "{file}/soak.json"]),
        *((flame.main, ["--seconds", text]) for text in ("0", "nan")),
        (flame.main, ["--rate", "0"]),
        (flame.main, ["--into", "{file}"]),
        (standing.main, ["--seconds", "inf", "turn"]),
        (standing.main, ["--askers", "0", "turn"]),
        (standing.main, ["--workers", "-1", "turn"]),
        *((check.main, ["--timeout", text, RELAY]) for text in ("0", "nan", "inf")),
        (check.main, ["--at-once", "0", RELAY]),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(
    main: Callable[[list[str]], object], arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(SystemExit) as ended:
        main([argument.format(file=file) for argument in arguments])
    assert ended.value.code == 2
    assert arguments[0] in capsys.readouterr().err.splitlines()[-1]


def test_file_and_folder_are_there_before_the_work(tmp_path: Path) -> None:
    assert command_line.folder(str(tmp_path / "a" / "b")).is_dir()
    assert command_line.new_file(str(tmp_path / "result")).is_file()
    with pytest.raises(argparse.ArgumentTypeError, match="cannot be written"):
        command_line.new_file(str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "begun"),
    [
        (["tests.fuzz", "--seed", "1", "--mutants-only"], r"seed 1"),
        (["tests.soak", "--seconds", "60", "--rate", "5", "--sample-seconds", "0.2", "--result", "{file}"], r" of "),
        (["bench.standing", "turn", "--seconds", "60"], r"process \d"),
    ],
)
def test_interrupt_is_told_in_one_line_and_status_130(arguments: list[str], begun: str, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-u", "-m", *(argument.format(file=tmp_path / "result") for argument in arguments)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        start_new_session=True,
        # Whoever is started in the background of a shell ignores it, and all its children do.
        preexec_fn=_heed_interrupts,
    ) as process:
        assert process.stdout is not None
        until = time.monotonic() + 60 * SCALE
        while not re.search(begun, line := process.stdout.readline()):
            assert line, "it ended before it began"
            assert time.monotonic() < until
        # As a terminal does it: to all that were started from here.
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=60 * SCALE)
    assert process.returncode == command_line.EXIT_INTERRUPTED
    assert said.splitlines()[-1] == "interrupted"
    assert "Traceback" not in said


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

"""What the commands of developers share: arguments refused by name, and an end by Ctrl-C in one line."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path

EXIT_INTERRUPTED = 130
"""Exit status of a program that Ctrl-C ended: 128 + SIGINT."""


def run(main: Callable[[], int | None]) -> None:
    """Run a command and exit with its status; Ctrl-C is no accident, so it shows no traceback."""
    try:
        status = main()
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        status = EXIT_INTERRUPTED
    sys.exit(status)


def count(text: str) -> int:
    """Read a whole number above 0."""
    return _whole(text, least=1)


def whole(text: str) -> int:
    """Read a whole number, 0 or above."""
    return _whole(text, least=0)


def amount(text: str) -> float:
    """Read a finite number above 0: of seconds, of minutes, of anything in a second."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number above 0")
    return value


def new_file(text: str) -> Path:
    """Read the path of a file to write, and open it: what cannot be written is told before the work."""
    try:
        Path(text).open("a", encoding="utf-8").close()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text} cannot be written: {error.strerror}") from None
    return Path(text)


def folder(text: str) -> Path:
    """Read the path of a folder to write into, and make it if need be."""
    try:
        Path(text).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text} cannot be a folder: {error.strerror}") from None
    return Path(text)


def _whole(text: str, *, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
    return value

"""Published test vectors, read from the folder beside the project; where it is missing, what needs it is skipped."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "vectors"

BIP340 = "bip340-test-vectors.csv"
NIP44 = "nip44.vectors.json"
NIP59 = "nip59.example.json"


def cases(name: str, read: Callable[[Path], Iterable[Any]], label: Callable[[int, Any], str]) -> list[Any]:
    """Return each vector that `read` finds in a file as a parameter of its own, or one skipped parameter."""
    path = FOLDER / name
    if not path.is_file():
        return [pytest.param(None, id="missing", marks=pytest.mark.skip(reason=_missing(name)))]
    return [pytest.param(vector, id=label(number, vector)) for number, vector in enumerate(read(path))]


def json_cases(name: str, *keys: str, label: Callable[[int, Any], str] = lambda number, _: str(number)) -> list[Any]:
    """Return each entry of the list that stands under `keys` in a JSON file."""

    def read(path: Path) -> Iterable[Any]:
        found = json.loads(path.read_text("utf-8"))
        for key in keys:
            found = found[key]
        return list(found)

    return cases(name, read, label)


def csv_cases(name: str) -> list[Any]:
    """Return each row of a CSV file as a dictionary."""
    return cases(name, lambda path: list(csv.DictReader(path.read_text("utf-8").splitlines())), lambda n, _: f"row-{n}")


def document(name: str) -> Any:
    """Return a whole JSON file, or skip the test."""
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(_missing(name))
    return json.loads(path.read_text("utf-8"))


def _missing(name: str) -> str:
    return f"no {name}: put the published vectors into {FOLDER.parent.name}/{FOLDER.name} beside the project"

"""A measured value beside a peer's or a bound's of the same run, and the file that keeps them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

LATEST = Path(__file__).with_name("results") / "latest.json"


class Better(StrEnum):
    """Which way a value should go."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value beside its peer's."""

    name: str
    value: float
    unit: str
    better: Better
    peer: str
    peer_value: float
    aim: float | None = None
    """Where higher is better, the ratio that is aimed at; where lower is better, the value itself."""

    @property
    def ratio(self) -> float:
        """Ours over the peer's."""
        return self.value / self.peer_value

    @property
    def is_reached(self) -> bool | None:
        """Tell whether the aim is reached, if there is one."""
        if self.aim is None:
            return None
        return self.ratio >= self.aim if self.better is Better.HIGHER else self.value <= self.aim

    def to_dict(self) -> dict[str, Any]:
        """Return the form in which it is published."""
        return {
            "name": self.name,
            "value": _rounded(self.value),
            "unit": self.unit,
            "better": self.better.value,
            "peer": self.peer,
            "peer_value": _rounded(self.peer_value),
            "ratio": _rounded(self.ratio),
            "aim": self.aim,
        }


def write(figures: Iterable[Figure], file: Path) -> None:
    """Keep figures, one a line."""
    lines = ",\n".join("  " + json.dumps(figure.to_dict(), ensure_ascii=False) for figure in figures)
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def read(file: Path) -> Sequence[Figure]:
    """Return figures that were kept."""
    return [
        Figure(
            name=kept["name"],
            value=kept["value"],
            unit=kept["unit"],
            better=Better(kept["better"]),
            peer=kept["peer"],
            peer_value=kept["peer_value"],
            aim=kept["aim"],
        )
        for kept in json.loads(file.read_text(encoding="utf-8"))
    ]


def _rounded(value: float) -> float:
    """Four digits are more than any two runs agree on."""
    return float(f"{value:.4g}")

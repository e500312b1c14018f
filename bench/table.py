"""Figures as a table: for a terminal, and for the documentation."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.table import Table

from bench.figures import Better, Figure

COLUMNS = ("figure", "ours", "peer", "its value", "ratio", "aim", "reached")


def table(figures: Iterable[Figure]) -> Table:
    """Return the table for a terminal."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in COLUMNS:
        is_number = column in {"ours", "its value", "ratio", "aim"}
        made.add_column(column, justify="right" if is_number else "left", no_wrap=True)
    for figure in figures:
        style = {True: "green", False: "red", None: ""}[figure.is_reached]
        made.add_row(*cells(figure), style=style)
    return made


def markdown(figures: Iterable[Figure]) -> str:
    """Return the table for a page."""
    rows = [COLUMNS, ("---", "--:", "---", "--:", "--:", "--:", "---"), *map(cells, figures)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def cells(figure: Figure) -> tuple[str, ...]:
    """Return one row, in words."""
    return (
        figure.name,
        f"{number(figure.value)} {figure.unit}",
        figure.peer,
        f"{number(figure.peer_value)} {figure.unit}",
        f"{figure.ratio:.2f}",
        _aim(figure),
        {True: "yes", False: "no", None: ""}[figure.is_reached],
    )


def number(value: float) -> str:
    """Return three digits that mean something, thousands apart."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}".replace(",", " ")


def _aim(figure: Figure) -> str:
    if figure.aim is None:
        return ""
    if figure.better is Better.HIGHER:
        return f"≥ {figure.aim:g}"
    return f"≤ {figure.aim:g} {figure.unit}"

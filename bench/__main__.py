"""`make bench`: print each figure beside its bound, from one run."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from bench.wraps import measure

SECONDS = 1.0


def main() -> None:
    """Measure and print."""
    table = Table("figure", "ours", "bound", "of the bound", "what bounds it")
    for figure in measure(SECONDS):
        table.add_row(
            figure.name,
            f"{figure.value:,.0f} {figure.unit}",
            f"{figure.peer_value:,.0f} {figure.unit}",
            f"{figure.ratio:.2f}",
            figure.peer,
        )
    Console().print(table)


if __name__ == "__main__":
    main()

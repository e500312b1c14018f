"""The tables of docs/performance.md, which stand between markers and come from the figures that are kept."""

from __future__ import annotations

import re
from pathlib import Path

from bench import figures, steps, table

MACHINE = figures.LATEST.with_name("machine.txt")
PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"


def tables() -> dict[str, str]:
    """Return each table by the name in its markers."""
    machine = f"Measured on: {MACHINE.read_text('utf-8').strip()}.\n\n"
    return {
        "figures": machine + table.markdown(figures.read(figures.LATEST)),
        "steps": steps.markdown(steps.read(steps.LATEST)),
    }


def with_tables(page: str, made: dict[str, str]) -> str:
    """Return a page in which each table stands between its markers."""
    for name, text in made.items():
        places = re.findall(rf"<!-- {name}: [^\n]* -->\n.*?<!-- end of {name} -->", page, re.DOTALL)
        if len(places) != 1:
            raise ValueError(f"{len(places)} places for the table of {name}")
        (place,) = places
        head, _, _ = place.partition("\n")
        page = page.replace(place, f"{head}\n\n{text}\n<!-- end of {name} -->")
    return page


def write_page() -> None:
    """Put the kept figures into the page."""
    PAGE.write_text(with_tables(PAGE.read_text("utf-8"), tables()), "utf-8")

"""A flame graph as one still picture: the wider a bar, the more of the time was spent in what it names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape

from bench.stacks import Stack

WIDTH, ROW, MARGIN = 1200, 17, 6
CHARACTER = 6.6
"""Width of one, about, in the picture's font."""
NARROWEST = 0.0015
"""Share of the whole below which a bar is left out: nobody could see it."""

_COLOURS = {
    "nips/": "#e8743b",
    "storage/": "#4c8bf5",
    "bridge/relay/": "#8e6bd1",
    "bridge/": "#3aa76d",
    "client/": "#d9a521",
    "protocol/": "#c05299",
    "asyncio/": "#8d99a6",
    "websockets/": "#6f7d8c",
}
_OTHER = "#b3bac2"
_PLACE = re.compile(r"^(?P<function>.*) \((?P<file>[^()]*?)(:\d+)?\)$")


@dataclass
class _Bar:
    name: str
    seconds: float = 0.0
    calls: dict[str, _Bar] = field(default_factory=dict)


def drawn(stacks: Mapping[Stack, float], *, title: str) -> str:
    """Return the picture as SVG text; it names functions and files of packages, and nothing of the machine."""
    root = _Bar("all")
    for stack, seconds in stacks.items():
        _add(root, stack, seconds)
    bars = list(_placed(root))
    height = ROW * (max(depth for _, _, depth in bars) + 1) + 2 * MARGIN + ROW
    lines = [_rectangle(bar, x, depth, root.seconds) for bar, x, depth in bars]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 2 * MARGIN} {height}" '
        'font-family="ui-monospace,Menlo,Consolas,monospace" font-size="11">\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n'
        f'<text x="{MARGIN}" y="{ROW}" font-size="13">{escape(title)}</text>\n' + "\n".join(lines) + "\n</svg>\n"
    )


def place_of(frame: str) -> tuple[str, str]:
    """Return a frame's function and its file, from the root of its package on."""
    found = _PLACE.match(frame)
    if found is None:
        return frame, ""
    file = found["file"].rpartition("site-packages/")[2]
    if file.startswith("/"):
        file = "/".join(file.split("/")[-2:])
    return found["function"], file


def _add(root: _Bar, stack: Stack, seconds: float) -> None:
    root.seconds += seconds
    bar = root
    for frame in stack:
        function, file = place_of(frame)
        name = f"{function} ({file})" if file else function
        bar = bar.calls.setdefault(name, _Bar(name))
        bar.seconds += seconds


def _placed(root: _Bar) -> Iterator[tuple[_Bar, float, int]]:
    """Yield each bar that can be seen with where it begins and how deep it lies, callers before what they call."""
    waiting = [(root, 0.0, 0)]
    while waiting:
        bar, start, depth = waiting.pop()
        if bar.seconds < NARROWEST * root.seconds:
            continue
        yield bar, start, depth
        for called in sorted(bar.calls.values(), key=lambda each: -each.seconds):
            waiting.append((called, start, depth + 1))
            start += called.seconds


def _rectangle(bar: _Bar, start: float, depth: int, whole: float) -> str:
    x, width = MARGIN + WIDTH * start / whole, WIDTH * bar.seconds / whole
    y = MARGIN + ROW * (depth + 1)
    file = bar.name.rpartition("(")[2]
    colour = next((colour for prefix, colour in _COLOURS.items() if file.startswith(prefix)), _OTHER)
    shown = bar.name.partition(" (")[0]
    fitting = int((width - 4) / CHARACTER)
    if len(shown) > fitting:
        shown = f"{shown[: fitting - 1]}…" if fitting > 3 else ""
    label = f'<text x="{x + 2:.1f}" y="{y + 12}">{escape(shown)}</text>' if shown else ""
    return (
        f"<g><title>{escape(bar.name)}: {100 * bar.seconds / whole:.1f} %</title>"
        f'<rect x="{x:.1f}" y="{y}" width="{max(width - 0.4, 0.2):.1f}" height="{ROW - 1}" fill="{colour}"/>{label}</g>'
    )

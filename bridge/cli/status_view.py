"""What a bridge says of itself, for people: a page for terminals, and plain lines for everything else. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bridge.administration.messages import Json
from bridge.printable import printable_values

_UNITS = (("d", 86_400), ("h", 3600), ("min", 60))


def lines_of(status: Json, *, now: int) -> Iterator[str]:
    """Yield `name: value` lines, which keep their names from version to version."""
    status = printable_values(status)
    for name in ("version", "npub", "pid", "url", "uptime_seconds"):
        yield f"{name}: {status[name]}"
    if status.get("stopping"):
        yield "stopping: yes"
    for name, number in status["figures"].items():
        yield f"figure {name}: {number}"
    for relay in status["relays"]:
        yield f"relay {relay['url']}: {_link(relay, now=now)}"
    for name, number in sorted(status["events"].items()):
        yield f"event {name}: {number}"
    for part, trouble in status["problems"].items():
        yield f"{_word(status, part)} {part}: {trouble}"


def view_of(status: Json, *, now: int, before: Json | None = None, seconds: float = 0.0) -> RenderableType:
    """Return the page; with an earlier look and the time since then, also how often things happen."""
    status = printable_values(status)
    head = Table.grid(padding=(0, 2))
    head.add_column(style="bold cyan", no_wrap=True)
    head.add_column(overflow="fold")
    head.add_row("up", Text(f"{duration(status['uptime_seconds'])}, version {status['version']}, pid {status['pid']}"))
    head.add_row("relay", Text(str(status["url"])))
    head.add_row("npub", Text(str(status["npub"])))
    parts: list[RenderableType] = [head, Text(), _troubles(status), Text(), _figures(status["figures"])]
    if status["relays"]:
        parts += [Text(), _relays(status, now=now)]
    if status["events"]:
        parts += [Text(), _events(status, before, seconds)]
    title = "switchboard is stopping" if status.get("stopping") else "switchboard"
    color = "red" if status["down"] else "yellow" if status["problems"] else "green"
    return Panel(Group(*parts), title=Text(title, style="bold"), title_align="left", border_style=color)


def duration(seconds: int) -> str:
    """Return a duration in its largest two units."""
    shown: list[str] = []
    for unit, size in _UNITS:
        if seconds >= size or shown:
            shown.append(f"{seconds // size} {unit}")
            seconds %= size
    return " ".join([*shown, f"{seconds} s"][:2])


def _troubles(status: Json) -> RenderableType:
    if not status["problems"]:
        return Text("everything works", style="green")
    lines = [
        Text.assemble((_word(status, part), "bold red"), " ", (f"{part}: ", "bold"), trouble)
        for part, trouble in status["problems"].items()
    ]
    return Group(*lines)


def _word(status: Json, part: str) -> str:
    return "down" if part in status["down"] else "degraded"


def _figures(figures: Mapping[str, int]) -> RenderableType:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in figures:
        table.add_column(name.replace("_", " "), justify="right")
    table.add_row(*(f"{number:,}" for number in figures.values()))
    return table


def _relays(status: Json, *, now: int) -> RenderableType:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("relays of others", overflow="fold")
    table.add_column("link", overflow="fold")
    table.add_column("unsent", justify="right")
    for relay in status["relays"]:
        style = "" if relay["connected_since"] is not None else "yellow"
        table.add_row(Text(relay["url"]), Text(_link(relay, now=now), style), str(relay["waiting"]))
    return table


def _link(relay: Json, *, now: int) -> str:
    since = relay["connected_since"]
    if since is not None:
        return f"connected for {duration(max(0, now - since))}"
    return f"not connected, {relay['failures']} failures ({relay['last_error'] or 'not tried yet'})"


def _events(status: Json, before: Json | None, seconds: float) -> RenderableType:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("events since the start", overflow="fold")
    table.add_column("in all", justify="right")
    table.add_column("a second", justify="right")
    for name, number in sorted(status["events"].items()):
        earlier = before["events"].get(name, 0) if before else number
        rate = (number - earlier) / seconds if before and seconds > 0 else 0.0
        table.add_row(name, f"{number:,}", f"{rate:,.1f}")
    return table

"""What a person sees of a bridge: its name tag, with a code to scan."""

from __future__ import annotations

import io
from collections.abc import Sequence

import segno
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from nips.keys import PublicKey
from nips.nip19 import Profile, encode_nprofile, encode_npub

NARROWEST_FOR_CODE = 100
"""Columns of a terminal below which the code goes under the facts instead of beside them."""


def facts_of(public_key: PublicKey, relays: Sequence[str]) -> list[tuple[str, str]]:
    """Return what a client needs to reach a bridge, as named lines."""
    profile = encode_nprofile(Profile(public_key, tuple(relays)))
    return [("npub", encode_npub(public_key)), *(("relay", url) for url in relays), ("nprofile", profile)]


def show_card(console: Console, title: str, facts: Sequence[tuple[str, str]], *, code: str | None = None) -> None:
    """Print the facts, with a QR code of `code` if asked; plain lines where nobody looks."""
    if not console.is_terminal:
        for name, value in facts:
            console.print(f"{name}: {value}", soft_wrap=True, highlight=False, markup=False)
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, Text(value))
    body: RenderableType = table
    if code is not None:
        body = _with_picture(
            table, Text(_code(code), no_wrap=True, style="white on black"), beside=console.width >= NARROWEST_FOR_CODE
        )
    console.print(Panel(body, title=Text(title, style="bold"), title_align="left", border_style="cyan", padding=(1, 2)))


def _with_picture(table: Table, picture: Text, *, beside: bool) -> RenderableType:
    if not beside:
        return Group(table, Text(), picture)
    grid = Table.grid(padding=(0, 3))
    grid.add_column(no_wrap=True)
    grid.add_column()
    grid.add_row(picture, table)
    return grid


def _code(text: str) -> str:
    drawn = io.StringIO()
    segno.make(text, error="l", boost_error=False).terminal(out=drawn, compact=True, border=2)
    return "\n".join(drawn.getvalue().splitlines())

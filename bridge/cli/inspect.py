"""`switchboard inspect`: why was this wrap refused?"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from bridge.cli.options import DEFAULT_HOME, HomeOption, read_key_file
from bridge.home import Home
from bridge.inspection import MAX_LINE_BYTES, Inspector, unreadable
from bridge.settings.tree import Settings
from bridge.wiring import wrap_window
from client.clock import SystemClock


def command(
    home: HomeOption = DEFAULT_HOME,
    secret_key_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the recipient's secret key (nsec or hex). Default: the key of the bridge in --home."
        ),
    ] = None,
    at: Annotated[
        int | None, typer.Option(metavar="UNIX_SECONDS", min=0, help="Judge times as of this moment. Default: now.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Take no deviations, whatever [compat] allows: no unsigned seals.")
    ] = False,
) -> None:
    """Tell why wraps open or not: events as JSON lines on stdin, one verdict a line on stdout, in the same order.

    A verdict is {"id", "accepted", "reason", "sender", "rumor_kind"}. The content is never shown.

    Exit status: 0 when every line got its verdict, 2 when the key cannot be read.
    """
    path = Home(home)
    settings = Settings() if secret_key_file and not path.settings_file.exists() else path.load_settings()
    secret = read_key_file(secret_key_file) if secret_key_file else path.read_key(settings, os.environ)
    inspector = Inspector(
        secret=secret,
        now=SystemClock().now() if at is None else at,
        window=wrap_window(settings),
        max_event_bytes=settings.relay.max_event_bytes,
        max_tags=settings.wraps.max_tags,
        unsigned_seals=settings.compat.unsigned_seals and not strict,
        min_pow_difficulty=settings.relay.min_pow_difficulty,
    )
    for line in _lines(sys.stdin.buffer, MAX_LINE_BYTES):
        verdict = inspector.inspect(line) if line is not None else unreadable("not UTF-8 text, or too long")
        typer.echo(json.dumps(verdict))


def _lines(stream: BinaryIO, max_bytes: int) -> Iterator[str | None]:
    """Yield each line, or None for one that is too long or no text; memory stays bounded whatever comes in."""
    while line := stream.readline(max_bytes + 2):
        complete = line.endswith(b"\n") or len(line) < max_bytes + 2
        while not complete:
            rest = stream.readline(max_bytes)
            complete = not rest or rest.endswith(b"\n")
            line = b"\xff"
        try:
            yield line.decode()
        except UnicodeDecodeError:
            yield None

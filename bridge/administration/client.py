"""Asking a running bridge over its admin socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bridge.administration.messages import (
    MAX_REPLY_BYTES,
    BadMessage,
    Json,
    Request,
    read_reply,
    write_request,
)
from bridge.administration.place import SOCKET_NAME, within_reach
from bridge.errors import StartupError

PATIENCE_SECONDS = 60.0
"""Time for one answer; a reload of a long allowlist takes seconds."""


class NotRunning(StartupError):
    """Nobody listens on a home's socket."""


class Operator:
    """An open connection to a running bridge."""

    def __init__(self, connection: socket.socket, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._read = bytearray()

    def ask(self, command: str, **arguments: Any) -> Json:
        """Return the result of a command; raise `CommandRefused`, or `StartupError` when the bridge goes away."""
        try:
            self._connection.sendall(write_request(Request(command, arguments)))
            return read_reply(self._next_line())
        except (OSError, BadMessage) as error:
            raise StartupError(f"{self._path}: the bridge did not answer ({error}); see its log") from None

    def _next_line(self) -> bytes:
        while (end := self._read.find(b"\n")) < 0:
            piece = self._connection.recv(65_536)
            if not piece:
                raise BadMessage("it hung up")
            self._read += piece
            if len(self._read) > MAX_REPLY_BYTES:
                raise BadMessage("its answer is too long")
        line = bytes(self._read[:end])
        del self._read[: end + 1]
        return line


@contextmanager
def operator(home: Path, *, patience_seconds: float = PATIENCE_SECONDS) -> Iterator[Operator]:
    """Connect to the bridge that runs in a home; raise `NotRunning` when none does."""
    path = home / SOCKET_NAME
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(patience_seconds)
        try:
            with within_reach(path) as name:
                connection.connect(str(name))
        except (FileNotFoundError, ConnectionRefusedError):
            raise NotRunning(f"no bridge runs in {home}: start it with `switchboard run`") from None
        except OSError as error:
            raise StartupError(f"{path}: cannot be reached: {error.strerror or error}") from None
        yield Operator(connection, path)

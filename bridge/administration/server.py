"""The admin socket of a running bridge: for its own user and root, and for nobody else on the machine.

The file gets its mode before anybody can connect, and the system says who does (SO_PEERCRED): a mode alone would be
undone by whoever moves the home to a file system without modes.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import stat
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from bridge.administration.messages import (
    MAX_REQUEST_BYTES,
    BadMessage,
    CommandRefused,
    Json,
    Request,
    read_request,
    write_problems,
    write_result,
)
from bridge.administration.place import SOCKET_NAME, within_reach
from bridge.errors import StartupError
from bridge.logs import where
from storage.errors import StorageError

log = logging.getLogger(__name__)

Answer = Callable[[Request], Awaitable[Json]]
"""Carries a command out, or raises `CommandRefused`."""

PAUSE_SECONDS = 1.0
"""Wait after the system gave us no connection."""

_PEER = struct.Struct("3i")
"""Process, user and group of the other end."""


@dataclass(frozen=True, slots=True)
class AdminLimits:
    """Bounds of the admin socket. Only the operator gets this far, so they guard against accidents."""

    max_connections: int = 8
    """Further ones wait until one of these is over."""
    idle_seconds: float = 30.0
    """Time for a whole request to arrive, and for an answer to be taken."""


class AdminServer:
    """Listens in a home from entering its context to leaving it; `run` answers meanwhile."""

    def __init__(self, home: Path, answer: Answer, limits: AdminLimits | None = None) -> None:
        self._path = home / SOCKET_NAME
        self._answer = answer
        self._limits = limits or AdminLimits()

    async def __aenter__(self) -> Self:
        try:
            self._listener, self._inode = _listen(self._path)
        except OSError as error:
            raise StartupError(f"{self._path}: cannot be made: {error.strerror or error}; mend the folder") from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        with suppress(OSError):
            if self._path.lstat().st_ino == self._inode:
                self._path.unlink()

    async def run(self) -> None:
        """Answer until cancelled."""
        loop = asyncio.get_running_loop()
        free = asyncio.Semaphore(self._limits.max_connections)
        async with asyncio.TaskGroup() as conversations:
            while True:
                await free.acquire()
                try:
                    connection, _ = await loop.sock_accept(self._listener)
                except OSError as error:
                    # Out of descriptors, most likely; that passes, and is no reason to end.
                    log.warning("admin connection not taken", extra={"facts": {"error": error.strerror}})
                    free.release()
                    await asyncio.sleep(PAUSE_SECONDS)
                    continue
                task = conversations.create_task(self._converse(connection))
                task.add_done_callback(lambda _: free.release())

    async def _converse(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, TimeoutError):
            if not _is_trusted(connection):
                log.warning("admin connection refused", extra={"facts": {"reason": "another user"}})
                return
            read = bytearray()
            while (line := await self._next_line(connection, read)) is not None:
                reply = await self._reply(line)
                async with asyncio.timeout(self._limits.idle_seconds):
                    await asyncio.get_running_loop().sock_sendall(connection, reply)

    async def _next_line(self, connection: socket.socket, read: bytearray) -> bytes | None:
        """Return the next line, or None when there is none or it is too long to be one."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._limits.idle_seconds):
            while (end := read.find(b"\n")) < 0:
                piece = await loop.sock_recv(connection, MAX_REQUEST_BYTES)
                if not piece or len(read) + len(piece) > MAX_REQUEST_BYTES:
                    return None
                read += piece
        line = bytes(read[:end])
        del read[: end + 1]
        return line

    async def _reply(self, line: bytes) -> bytes:
        try:
            return write_result(await self._answer(read_request(line)))
        except BadMessage as error:
            return write_problems([str(error)])
        except CommandRefused as refused:
            return write_problems(refused.problems)
        except StorageError as error:
            # These texts say what to do, of a full disk for one, and hold nothing that was stored.
            log.error("command failed", extra={"facts": where(error)})
            return write_problems([f"the bridge's storage refuses: {error}"])
        except Exception as error:  # noqa: BLE001 - a fault of one command must not end the bridge
            log.error("command failed", extra={"facts": where(error)})
            return write_problems([f"the bridge failed ({type(error).__name__}); see its log"])


def _listen(path: Path) -> tuple[socket.socket, int]:
    """Return a listening socket in place of a dead one, and its inode; raise `StartupError` for a live one."""
    _refuse_live(path)
    new = path.with_name("admin.new")
    new.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        # Linux gives the file the mode that its socket has now.
        os.fchmod(listener.fileno(), 0o600)
        with within_reach(new) as name:
            listener.bind(str(name))
        # Elsewhere, and under a strange umask, it gets it here: nobody connects before `listen`.
        new.chmod(0o600)
        listener.listen()
        new.rename(path)
        return listener, path.lstat().st_ino
    except BaseException:
        listener.close()
        raise


def _refuse_live(path: Path) -> None:
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise StartupError(f"{path}: is no socket: take it away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, within_reach(path) as name:
        # One whose queue is full is alive all the same.
        probe.setblocking(False)
        if probe.connect_ex(str(name)) not in (errno.ECONNREFUSED, errno.ENOENT):
            raise StartupError(f"{path}: a bridge is already running here; stop that one first")


def _is_trusted(connection: socket.socket) -> bool:
    """Tell whether the other end is our own user or root."""
    _, user, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return user in (0, os.geteuid())

"""The socket itself: whose it is, who may connect, and what it bears."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bridge.administration.client import NotRunning, operator
from bridge.administration.messages import MAX_REQUEST_BYTES, CommandRefused, Json, Request
from bridge.administration.server import AdminLimits, AdminServer
from bridge.errors import StartupError
from storage.errors import StorageFailed
from tests.support.deadline import within

STATUS = b'{"command":"status","arguments":{}}\n'


async def echo(request: Request) -> Json:
    """Answer with the command; `fail` fails, `refuse` is refused, `write` finds no room."""
    if request.command == "fail":
        raise ZeroDivisionError("secret")
    if request.command == "write":
        raise StorageFailed("the database refused to write: database or disk is full")
    if request.command == "refuse":
        raise CommandRefused(["not so"])
    return {"command": request.command}


@asynccontextmanager
async def a_server(home: Path, limits: AdminLimits | None = None) -> AsyncIterator[Path]:
    async with AdminServer(home, echo, limits) as server, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(server.run())
        yield home / "admin.sock"
        running.cancel()


async def exchange(path: Path, sent: bytes) -> bytes:
    """Send bytes, and nothing more, and return all that comes back."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(sent)
    writer.write_eof()
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def ask(home: Path, command: str) -> Json:
    with operator(home) as bridge:
        return bridge.ask(command)


async def test_socket_is_for_its_owner_alone_and_gone_afterwards(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        async with a_server(tmp_path) as path:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_ISSOCK(path.stat().st_mode)
            assert sorted(file.name for file in tmp_path.iterdir()) == ["admin.sock"]
    finally:
        os.umask(old)
    assert list(tmp_path.iterdir()) == []


async def test_several_commands_go_over_one_connection(tmp_path: Path) -> None:
    def both() -> list[Json]:
        with operator(tmp_path) as bridge:
            return [bridge.ask("one"), bridge.ask("two")]

    async with within(), a_server(tmp_path):
        assert await asyncio.to_thread(both) == [{"command": "one"}, {"command": "two"}]


async def test_refusal_comes_with_its_problems(tmp_path: Path) -> None:
    async with within(), a_server(tmp_path):
        with pytest.raises(CommandRefused, match="not so"):
            await asyncio.to_thread(ask, tmp_path, "refuse")


async def test_fault_of_a_command_is_told_without_its_text_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with within(), a_server(tmp_path):
        with pytest.raises(CommandRefused, match="ZeroDivisionError"):
            await asyncio.to_thread(ask, tmp_path, "fail")
        assert await asyncio.to_thread(ask, tmp_path, "again") == {"command": "again"}
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == ["command failed"]
    assert "secret" not in caplog.text


async def test_storage_that_refuses_is_told_in_its_own_words(tmp_path: Path) -> None:
    async with within(), a_server(tmp_path):
        with pytest.raises(CommandRefused, match="database or disk is full"):
            await asyncio.to_thread(ask, tmp_path, "write")


async def test_home_without_a_bridge_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="no bridge runs in"):
        ask(tmp_path, "status")


async def test_socket_of_a_dead_bridge_is_told_so_and_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(tmp_path / "admin.sock"))
        dead.listen()
    with pytest.raises(NotRunning):
        ask(tmp_path, "status")
    (tmp_path / "admin.new").touch()
    async with within(), a_server(tmp_path):
        assert await asyncio.to_thread(ask, tmp_path, "status") == {"command": "status"}


async def test_socket_of_a_live_bridge_is_not_taken(tmp_path: Path) -> None:
    async with within(), a_server(tmp_path):
        with pytest.raises(StartupError, match="already running"):
            async with AdminServer(tmp_path, echo):
                pytest.fail("two bridges run in one home")
        assert await asyncio.to_thread(ask, tmp_path, "status") == {"command": "status"}


async def test_bridge_whose_queue_is_full_is_alive(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as busy, socket.socket(socket.AF_UNIX) as first:
        busy.bind(str(tmp_path / "admin.sock"))
        busy.listen(0)
        first.connect(str(tmp_path / "admin.sock"))
        with pytest.raises(StartupError, match="already running"):
            async with AdminServer(tmp_path, echo):
                pytest.fail("two bridges run in one home")


async def test_file_that_is_no_socket_is_left_alone_and_named(tmp_path: Path) -> None:
    (tmp_path / "admin.sock").write_text("mine")
    with pytest.raises(StartupError, match="is no socket"):
        async with AdminServer(tmp_path, echo):
            pytest.fail("it listens")
    assert (tmp_path / "admin.sock").read_text() == "mine"


async def test_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"gone/admin\.sock: cannot be made"):
        async with AdminServer(tmp_path / "gone", echo):
            pytest.fail("it listens")


async def test_socket_that_somebody_put_in_its_place_is_left_alone(tmp_path: Path) -> None:
    async with a_server(tmp_path) as path:
        path.unlink()
        path.touch()
    assert path.exists()


@pytest.mark.parametrize("sent", [b"hello\n", b"{}\n", b"\xff\n", b"\n"])
async def test_line_that_is_no_request_is_told_so_and_the_next_is_answered(tmp_path: Path, sent: bytes) -> None:
    async with within(), a_server(tmp_path) as path:
        first, second, _ = (await exchange(path, sent + STATUS)).split(b"\n")
    assert first.startswith(b'{"problems":')
    assert second == b'{"result":{"command":"status"}}'


async def test_line_without_end_is_not_gathered(tmp_path: Path) -> None:
    async with within(), a_server(tmp_path) as path:
        assert await exchange(path, b"a" * (MAX_REQUEST_BYTES + 1)) == b""
        assert await exchange(path, STATUS) != b""


async def test_line_that_breaks_off_gets_no_answer(tmp_path: Path) -> None:
    async with within(), a_server(tmp_path) as path:
        assert await exchange(path, STATUS.removesuffix(b"\n")) == b""


async def test_silent_connection_is_closed(tmp_path: Path) -> None:
    async with within(), a_server(tmp_path, AdminLimits(idle_seconds=0.05)) as path:
        reader, writer = await asyncio.open_unix_connection(path)
        assert await reader.read() == b""
        writer.close()


async def test_connections_beyond_the_limit_wait_for_their_turn(tmp_path: Path) -> None:
    async with within(), a_server(tmp_path, AdminLimits(max_connections=2)) as path:
        held = [await asyncio.open_unix_connection(path) for _ in range(2)]
        for reader, writer in held:
            writer.write(STATUS)
            await reader.readline()
        later = asyncio.create_task(exchange(path, STATUS))
        # The two that are served are served on, the third is not.
        for reader, writer in held:
            writer.write(STATUS)
            assert await reader.readline() != b""
        assert not later.done()
        held[0][1].close()
        assert await later != b""
        held[1][1].close()


PEER = """
import os, socket, sys
os.setgid(65534)
os.setuid(65534)
with socket.socket(socket.AF_UNIX) as peer:
    peer.connect(sys.argv[1])
    try:
        peer.sendall(b'{"command":"status","arguments":{}}\\n')
        sys.stdout.buffer.write(peer.recv(1000))
    except (BrokenPipeError, ConnectionResetError):
        pass
"""


async def test_other_users_get_nothing_even_where_modes_let_them_in(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TemporaryDirectory() as name:
        home = Path(name)
        home.chmod(0o711)
        async with within(), a_server(home) as path:
            path.chmod(0o666)
            if os.geteuid() == 0:
                said = await said_to_somebody_else(path)
            else:
                # Only root can become somebody else; so here the bridge does.
                monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
                said = await exchange(path, STATUS)
    assert said == b""
    assert "admin connection refused" in caplog.messages


async def said_to_somebody_else(path: Path) -> bytes:
    """Ask as another user and return the answer."""
    peer = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", "-c", PEER, str(path), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await peer.communicate()
    assert peer.returncode == 0
    return said

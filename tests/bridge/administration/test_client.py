"""What a command line meets on its way to a bridge."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from bridge.administration import client
from bridge.administration.client import NotRunning, operator
from bridge.errors import StartupError


@contextmanager
def bridge_that_says(home: Path, *pieces: bytes) -> Iterator[None]:
    """Listen in a home and answer the first line with these pieces, then hang up."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home / "admin.sock"))
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                for piece in pieces:
                    connection.sendall(piece)

        thread = Thread(target=answer)
        thread.start()
        yield
        thread.join()


def test_answer_in_pieces_is_put_together(tmp_path: Path) -> None:
    with bridge_that_says(tmp_path, b'{"result":', b"{}}", b"\n"), operator(tmp_path) as bridge:
        assert bridge.ask("status") == {}


@pytest.mark.parametrize(
    ("pieces", "why"),
    [((), "it hung up"), ((b'{"result":{}}',), "it hung up"), ((b"[]\n",), "neither"), ((b"\xff\n",), "no JSON")],
)
def test_bridge_that_does_not_answer_is_named(tmp_path: Path, pieces: tuple[bytes, ...], why: str) -> None:
    with (
        bridge_that_says(tmp_path, *pieces),
        operator(tmp_path) as bridge,
        pytest.raises(StartupError, match=f"admin.sock: the bridge did not answer .{why}"),
    ):
        bridge.ask("status")


def test_answer_without_end_is_not_gathered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_REPLY_BYTES", 10)
    with (
        bridge_that_says(tmp_path, b"a" * 100),
        operator(tmp_path) as bridge,
        pytest.raises(StartupError, match="too long"),
    ):
        bridge.ask("status")


def test_bridge_that_says_nothing_is_waited_for_so_long(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "admin.sock"))
        listener.listen()
        with operator(tmp_path, patience_seconds=0.05) as bridge, pytest.raises(StartupError, match="did not answer"):
            bridge.ask("status")


def test_home_that_is_none_runs_no_bridge(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="start it with"), operator(tmp_path / "gone"):
        pytest.fail("somebody is there")

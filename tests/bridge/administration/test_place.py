"""A socket is reached whatever the name of its folder, and the open folder it is reached by is closed again."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from bridge.administration.place import MAX_PATH_BYTES, within_reach


@pytest.mark.parametrize("letter", ["a", "é"])
@pytest.mark.parametrize("too_long_by", [0, 1, 100])
def test_socket_in_a_folder_with_a_long_name_is_made_and_reached(tmp_path: Path, letter: str, too_long_by: int) -> None:
    room = MAX_PATH_BYTES + too_long_by - len(os.fsencode(tmp_path / "x" / "x.sock")) + 1
    if room <= 0:
        pytest.fail("the temporary folder has too long a name for this test")
    folder = tmp_path / (letter * (room // len(letter.encode())) + "a" * (room % len(letter.encode())))
    folder.mkdir()
    path = folder / "x.sock"
    assert len(os.fsencode(path)) == MAX_PATH_BYTES + too_long_by
    before = set(Path("/proc/self/fd").iterdir())
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        with within_reach(path) as name:
            listener.bind(str(name))
        listener.listen()
        assert path.is_socket()
        with within_reach(path) as name:
            client.connect(str(name))
    assert set(Path("/proc/self/fd").iterdir()) == before


def test_folder_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), within_reach(tmp_path / ("a" * 120) / "x.sock"):
        pass

"""Files with secrets: whole or not at all, and only where nobody else gets at them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from storage.errors import FileRefused
from storage.private_file import read_private, write_private

ROOT = Path(__file__).resolve().parents[2]
FULL_DISK = """
import resource, sys
from pathlib import Path
from storage.private_file import write_private
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
try:
    write_private(Path(sys.argv[1]), "x" * 100)
except OSError:
    print("refused")
"""


def a_file(path: Path, mode: int) -> Path:
    path.write_text("secret", encoding="ascii")
    path.chmod(mode)
    return path


def test_written_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    before = os.umask(0)
    try:
        write_private(path, "north")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_private(path, max_bytes=100) == b"north"


def test_file_that_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_private(path, "north")
    with pytest.raises(FileExistsError):
        write_private(path, "south")
    assert path.read_bytes() == b"north"


def test_file_that_cannot_be_finished_is_not_left_half(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "secret")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ended.stdout == "refused\n"
    assert not list(tmp_path.iterdir())


def test_file_that_is_missing_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_private(tmp_path / "none", max_bytes=100)


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_file_of_the_owner_alone_is_read(tmp_path: Path, mode: int) -> None:
    assert read_private(a_file(tmp_path / "secret", mode), max_bytes=100) == b"secret"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o610, 0o601])
def test_file_that_others_get_at_is_refused_with_the_command_that_helps(tmp_path: Path, mode: int) -> None:
    path = a_file(tmp_path / "a secret", mode)
    with pytest.raises(FileRefused) as caught:
        read_private(path, max_bytes=100)
    assert f"mode {mode:04o}" in str(caught.value)
    command = str(caught.value).partition("): ")[2]
    subprocess.run(["/bin/sh", "-c", command], check=True, timeout=60)
    assert read_private(path, max_bytes=100) == b"secret"


def test_file_of_another_user_may_be_group_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = a_file(tmp_path / "secret", 0o440)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    assert read_private(path, max_bytes=100) == b"secret"
    path.chmod(0o444)
    with pytest.raises(FileRefused, match=r"0444\): chmod 640"):
        read_private(path, max_bytes=100)


def test_file_in_a_guarded_folder_is_read_whatever_its_mode(tmp_path: Path) -> None:
    assert read_private(a_file(tmp_path / "secret", 0o444), max_bytes=100, guarded=True) == b"secret"


def test_no_more_is_read_than_shows_that_it_is_too_much(tmp_path: Path) -> None:
    assert read_private(a_file(tmp_path / "secret", 0o600), max_bytes=3) == b"secr"


def test_folder_and_pipe_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("folder", "pipe"):
        with pytest.raises(FileRefused, match="is not a file"):
            read_private(tmp_path / name, max_bytes=100)


def test_file_that_the_system_refuses_is_told_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(FileRefused, match="cannot be read: Too many levels"):
        read_private(tmp_path / "loop", max_bytes=100)

"""Secret keys in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.cli.options import read_key_file
from bridge.errors import StartupError
from nips.nip19 import encode_nsec
from tests.support.wraps import BRIDGE


@pytest.mark.parametrize("text", [encode_nsec(BRIDGE), BRIDGE.reveal().hex(), f"  {encode_nsec(BRIDGE)}\n\n"])
def test_key_is_read_as_nsec_and_as_hex(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    assert read_key_file(path) == BRIDGE


@pytest.mark.parametrize("content", [b"", b"nsec1abc", b"\xff", b"0" * 64, BRIDGE.reveal().hex().upper().encode()])
def test_what_is_no_key_is_refused_without_quoting_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(StartupError, match="neither an nsec nor") as refusal:
        read_key_file(path)
    assert content.decode("latin-1") == "" or content.decode("latin-1") not in str(refusal.value)


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="No such file"):
        read_key_file(tmp_path / "none")

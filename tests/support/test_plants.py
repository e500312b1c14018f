"""What is planted is found in every form in which it could show, or the search would prove nothing."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import pytest

from nips.nip19 import encode_npub
from tests.support.plants import files_below, found, planted_bytes, planted_key, planted_text
from tests.support.wraps import AUTHOR

SECRET = "p/ss+wörd of a planted account"


@pytest.mark.parametrize(
    "shown",
    [
        SECRET.encode(),
        quote(SECRET, safe="").encode(),
        SECRET.encode().hex().encode(),
        *(base64.b64encode(b"x" * before + SECRET.encode() + b"yz") for before in range(3)),
        *(base64.urlsafe_b64encode(b"x" * before + SECRET.encode() + b"yz") for before in range(3)),
    ],
)
def test_text_is_found_in_every_form(shown: bytes) -> None:
    plant = planted_text("password", SECRET)
    assert found([plant], {"log": b"before " + shown + b" after", "file": b"nothing"}) == ["password in log"]


def test_key_is_found_as_bytes_hex_and_npub() -> None:
    key = AUTHOR.public_key
    for shown in (bytes.fromhex(key), key.encode(), encode_npub(key).encode()):
        assert found([planted_key("account", key)], {"file": b"\0" + shown + b"\0"}) == ["account in file"]


def test_nothing_is_found_where_nothing_is() -> None:
    assert found([planted_bytes("token", bytes(range(32)))], {"file": bytes(range(31))}) == []


def test_what_would_turn_up_by_chance_is_not_planted() -> None:
    with pytest.raises(ValueError, match="by chance"):
        planted_bytes("pin", b"1234")


def test_files_of_folders_below_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "one").write_bytes(b"1")
    (tmp_path / "known.secret").write_bytes(b"2")
    assert files_below(tmp_path, without=["known.secret"]) == {"below/one": b"1"}

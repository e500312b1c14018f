"""Credentials that coturn computes the same way."""

from __future__ import annotations

import base64
import hashlib

import pytest

from bridge.turn.coturn import CoturnProvider, coturn_password, coturn_username

URLS = ("turn:turn.example.org:3478?transport=udp",)
USER = "17b8212e6057eb8c61fd31d769192f9a"


def hmac_sha1(key: bytes, text: bytes) -> bytes:
    """RFC 2104, written out."""
    block = key.ljust(64, b"\0") if len(key) <= 64 else hashlib.sha1(key).digest().ljust(64, b"\0")
    inner = hashlib.sha1(bytes(byte ^ 0x36 for byte in block) + text).digest()
    return hashlib.sha1(bytes(byte ^ 0x5C for byte in block) + inner).digest()


def is_let_in(secrets: list[bytes], username: str, password: str, *, now: int) -> bool:
    """Decide as coturn does: expiry first, then each secret in turn."""
    if int(username.partition(":")[0]) < now:
        return False
    return any(base64.b64encode(hmac_sha1(secret, username.encode())).decode() == password for secret in secrets)


def a_provider(secret: bytes = b"north") -> CoturnProvider:
    return CoturnProvider(secret=secret, urls=URLS, ttl_seconds=86_400)


def test_the_published_vector() -> None:
    assert coturn_password(b"north", "1700000000:alice") == "Cd/49soE35ICqcJF/bCTn8Z4OyE="


def test_a_user_name_is_expiry_and_user() -> None:
    assert coturn_username(USER, 1_700_000_000) == f"1700000000:{USER}"


@pytest.mark.parametrize(
    "user",
    ["", "alice", "a" * 15, "a" * 65, "A" * 32, "a" * 31 + ":", "a" * 32 + "\n", "é" * 32, "٣" * 32, "a" * 16 + " "],
)
def test_a_user_of_another_shape_is_refused(user: str) -> None:
    with pytest.raises(ValueError, match="hex digits"):
        coturn_username(user, 1_700_000_000)


@pytest.mark.parametrize("length", [16, 32, 64])
def test_our_own_shape_of_user_is_taken(length: int) -> None:
    assert coturn_username("0" * length, 1).endswith("0" * length)


async def test_coturn_lets_the_credentials_in_until_they_expire() -> None:
    credentials = await a_provider().credentials(user=USER, now=1_700_000_000)
    check = (credentials.username, credentials.password)
    assert is_let_in([b"north"], *check, now=1_700_000_000)
    assert is_let_in([b"north"], *check, now=1_700_086_400)
    assert not is_let_in([b"north"], *check, now=1_700_086_401)
    assert not is_let_in([b"south"], *check, now=1_700_000_000)
    assert credentials.urls == URLS


async def test_a_secret_is_rotated_without_anybody_being_locked_out() -> None:
    """coturn is given the new secret beside the old, then we sign with the new one, then the old one goes."""
    old = await a_provider(b"old").credentials(user=USER, now=1_700_000_000)
    both = [b"old", b"new"]
    new = await a_provider(b"new").credentials(user=USER, now=1_700_000_001)
    assert is_let_in(both, old.username, old.password, now=1_700_000_001)
    assert is_let_in(both, new.username, new.password, now=1_700_000_001)
    after = 1_700_000_000 + 86_401
    assert not is_let_in([b"new"], old.username, old.password, now=after)


async def test_a_secret_longer_than_a_block_works_too() -> None:
    secret = b"x" * 100
    credentials = await a_provider(secret).credentials(user=USER, now=1)
    assert is_let_in([secret], credentials.username, credentials.password, now=1)


def test_an_empty_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="not empty"):
        a_provider(b"")


def test_a_provider_shows_no_secret() -> None:
    assert "planted" not in repr(a_provider(b"planted"))

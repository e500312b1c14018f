"""Service ids, computed once more from the text of the contract (protocol.md §2)."""

from __future__ import annotations

import hashlib
from uuid import RFC_4122

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.identifiers import aci_of, pni_of
from nips.keys import PublicKey

KEY = PublicKey("7d6c2b5da1ff5a874025b7313e686a1b1f915d726659ea66946d50be9e5fef1b")


def by_the_book(data: bytes) -> str:
    """First 16 bytes of SHA-256 with version 8 and the variant of RFC 9562, done on the number."""
    number = int.from_bytes(hashlib.sha256(data).digest()[:16], "big")
    number = number & ~(0xF << 76) | 8 << 76
    number = number & ~(0x3 << 62) | 2 << 62
    digits = f"{number:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


@given(raw=st.binary(min_size=32, max_size=32))
def test_aci_is_the_hash_that_everybody_can_compute(raw: bytes) -> None:
    assert str(aci_of(PublicKey(raw.hex()))) == by_the_book(b"nostr-aci-v1" + raw)


@given(raw=st.binary(min_size=32, max_size=32), salt=st.binary(min_size=16, max_size=16))
def test_pni_is_the_same_over_the_accounts_salt(raw: bytes, salt: bytes) -> None:
    assert str(pni_of(PublicKey(raw.hex()), salt)) == by_the_book(b"nostr-pni-v1" + salt + raw)


def test_an_aci_never_changes() -> None:
    """Members of groups hold it; this one was computed by hand with sha256sum."""
    assert str(aci_of(KEY)) == "aa0a048d-6a3c-8bdc-9a65-c0d555923643"


@given(raw=st.binary(min_size=32, max_size=32))
def test_ids_are_uuids_of_version_8(raw: bytes) -> None:
    for identity in (aci_of(PublicKey(raw.hex())), pni_of(PublicKey(raw.hex()), bytes(16))):
        assert (identity.version, identity.variant) == (8, RFC_4122)


def test_another_salt_gives_another_pni() -> None:
    assert pni_of(KEY, bytes(16)) != pni_of(KEY, bytes([1]) * 16)


@pytest.mark.parametrize("size", [0, 15, 17, 32])
def test_a_salt_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        pni_of(KEY, bytes(size))

"""Encryption at rest and blind indexes."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.encryption import BlindIndex, KeyRing, Place, Vault, new_key, place
from storage.errors import DamagedValue, StorageKeyMissing

OLD, NEW = bytes([1]) * 32, bytes([2]) * 32
HERE = place("accounts", "identity", 7)


def test_value_comes_back_in_its_place() -> None:
    ring = KeyRing([(1, OLD)])
    stored = ring.encrypt(HERE, b"value")
    assert ring.decrypt(HERE, stored) == b"value"
    assert b"value" not in stored
    assert len(stored) == 1 + 12 + len(b"value") + 16


def test_same_value_never_looks_the_same() -> None:
    ring = KeyRing([(1, OLD)])
    assert len({ring.encrypt(HERE, b"value") for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "elsewhere",
    [place("devices", "identity", 7), place("accounts", "other", 7), place("accounts", "identity", 8)],
)
def test_value_moved_to_another_place_is_refused(elsewhere: Place) -> None:
    ring = KeyRing([(1, OLD)])
    with pytest.raises(DamagedValue, match="does not decrypt in its place"):
        ring.decrypt(elsewhere, ring.encrypt(HERE, b"value"))


def test_every_altered_byte_is_noticed() -> None:
    ring = KeyRing([(1, OLD)])
    stored = ring.encrypt(HERE, b"value")
    for position in range(len(stored)):
        altered = bytearray(stored)
        altered[position] ^= 1
        with pytest.raises((DamagedValue, StorageKeyMissing)):
            ring.decrypt(HERE, bytes(altered))


@pytest.mark.parametrize("length", range(1, 29))
def test_cut_value_is_refused(length: int) -> None:
    ring = KeyRing([(1, OLD)])
    with pytest.raises(DamagedValue):
        ring.decrypt(HERE, ring.encrypt(HERE, b"value")[:length])


def test_empty_value_names_no_key() -> None:
    with pytest.raises(StorageKeyMissing, match="none"):
        KeyRing([(1, OLD)]).decrypt(HERE, b"")


def test_newest_key_encrypts_and_older_ones_decrypt() -> None:
    old = KeyRing([(1, OLD)]).encrypt(HERE, b"value")
    ring = KeyRing([(1, OLD), (9, NEW)])
    assert ring.newest == 9
    assert ring.encrypt(HERE, b"value")[0] == 9
    assert ring.decrypt(HERE, old) == b"value"


def test_value_under_a_key_that_is_gone_names_its_id() -> None:
    stored = KeyRing([(1, OLD)]).encrypt(HERE, b"value")
    with pytest.raises(StorageKeyMissing, match="no storage key has the id 1"):
        KeyRing([(2, NEW)]).decrypt(HERE, stored)


def test_another_key_of_the_same_id_is_refused() -> None:
    stored = KeyRing([(1, OLD)]).encrypt(HERE, b"value")
    with pytest.raises(DamagedValue):
        KeyRing([(1, NEW)]).decrypt(HERE, stored)


@pytest.mark.parametrize("keys", [[], [(256, OLD)], [(-1, OLD)], [(1, OLD[:31])], [(1, OLD), (1, NEW)]])
def test_impossible_ring_is_refused(keys: list[tuple[int, bytes]]) -> None:
    with pytest.raises(ValueError, match="key"):
        KeyRing(keys)


@pytest.mark.parametrize("make", [lambda: KeyRing([(1, OLD)]), lambda: BlindIndex(OLD)])
def test_keys_show_in_no_text_and_leave_in_no_copy(make: Callable[[], object]) -> None:
    secret = make()
    for text in (repr(secret), str(secret), f"{secret}"):
        assert OLD.hex() not in text
        assert repr(OLD) not in text
        assert "hidden" in text
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        copy.copy(secret)


def test_new_keys_differ() -> None:
    assert len(new_key()) == 32
    assert new_key() != new_key()


def test_index_depends_on_key_domain_and_value() -> None:
    index = BlindIndex(OLD)
    assert index.of("a.b", "value") == index.of("a.b", "value")
    others = [index.of("a.c", "value"), index.of("a.b", "other"), BlindIndex(NEW).of("a.b", "value")]
    assert index.of("a.b", "value") not in others
    assert len(index.of("a.b", "value")) == 16


@given(first=st.lists(st.text(max_size=5), max_size=3), second=st.lists(st.text(max_size=5), max_size=3))
def test_index_of_parts_is_unambiguous(first: list[str], second: list[str]) -> None:
    index = BlindIndex(OLD)
    assert (index.of("a.b", *first) == index.of("a.b", *second)) is (first == second)


@given(value=st.text())
def test_number_fits_into_a_column(value: str) -> None:
    assert 0 < BlindIndex(OLD).number("a.b", value) < 2**63


def test_index_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        BlindIndex(OLD[:16])


def test_vault_keeps_json_values() -> None:
    vault = Vault(KeyRing([(1, OLD)]), BlindIndex(NEW))
    value = ["text with ü and \0", 7, None]
    assert vault.decrypt_json(HERE, vault.encrypt_json(HERE, value)) == value

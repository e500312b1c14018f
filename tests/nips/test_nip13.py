"""Proof of work: what an id has, and what its event committed to."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nips.event import Event, Tags, event_id, sign_event
from nips.keys import PublicKey, SecretKey
from nips.nip13 import committed_work, difficulty, mine

# The example of NIP-13.
MINED = "000006d8c378af1779d2feebc7603a125d99eca0ccf1085959b307f64e5dd358"


@pytest.mark.parametrize(
    ("event_id", "bits"),
    [
        ("000000000e9d97a1ab09fc381030b346cdd7a142ad57e6df0b46dc9bef6c7e2d", 36),
        (MINED, 21),
        ("f" * 64, 0),
        ("7" + "f" * 63, 1),
        ("0f" + "f" * 62, 4),
        ("0" * 63 + "1", 255),
        ("0" * 64, 256),
    ],
)
def test_difficulty_is_the_number_of_leading_zero_bits(event_id: str, bits: int) -> None:
    assert difficulty(event_id) == bits


@pytest.mark.parametrize(
    ("tags", "bits"),
    [
        ([("nonce", "776797", "20")], 20),
        ([("nonce", "776797", "21")], 21),
        ([("nonce", "776797", "22")], 21),
        ([("nonce", "776797", "3")], 3),
        ([("nonce", "776797", "999")], 21),
        ([("nonce", "776797")], 0),
        ([("nonce", "776797", "")], 0),
        ([("nonce", "776797", "-1")], 0),
        ([("nonce", "776797", "020")], 0),
        ([("nonce", "776797", "20.0")], 0),
        ([("nonce", "776797", "1" * 5000)], 0),
        ([("nonce", "1", "20"), ("nonce", "2", "10")], 0),
        ([("x", "776797", "20")], 0),
        ([], 0),
    ],
)
def test_work_counts_as_far_as_it_was_committed_to(tags: Sequence[tuple[str, ...]], bits: int) -> None:
    assert committed_work(Event(MINED, PublicKey("a" * 64), 1, 1, tuple(tags), "", "f" * 128)) == bits


SECRET = SecretKey(bytes(31) + b"\x07")
QUOTING = ["", "plain", 'said "no"\n', '["nonce","","4"]],"', '\\"nonce\\",\\"\\",\\"4\\"']


def mined(bits: int, *, content: str = "", tags: Tags = (), start: int = 0, attempts: int = 1_000_000) -> Tags | None:
    return mine(
        SECRET.public_key,
        created_at=1_800_000_000,
        kind=1059,
        tags=tags,
        content=content,
        bits=bits,
        start=start,
        attempts=attempts,
    )


@pytest.mark.parametrize("content", QUOTING)
@pytest.mark.parametrize("bits", [0, 4, 12])
def test_an_event_with_the_mined_tags_has_the_work(bits: int, content: str) -> None:
    found = mined(bits, content=content, tags=(("p", "b" * 64), ("x", content)))
    assert found is not None
    event = sign_event(SECRET, created_at=1_800_000_000, kind=1059, tags=found, content=content, aux=bytes(32))
    assert event.tags[:-1] == (("p", "b" * 64), ("x", content))
    assert committed_work(event) == bits
    assert difficulty(event.id) >= bits


@given(content=st.text(), value=st.text(), bits=st.integers(0, 6), start=st.integers(0, 2**64))
def test_mining_finds_the_first_nonce_that_does(content: str, value: str, bits: int, start: int) -> None:
    found = mined(bits, content=content, tags=(("x", value),), start=start)
    assert found is not None
    nonce = int(found[-1][1])
    assert nonce >= start
    for tried in range(start, nonce + 1):
        tags = (*found[:-1], ("nonce", str(tried), str(bits)))
        work = difficulty(event_id(SECRET.public_key, 1_800_000_000, 1059, tags, content))
        assert (work >= bits) == (tried == nonce)


def test_mining_gives_up_after_its_attempts_and_goes_on_from_there() -> None:
    found = mined(12)
    assert found is not None
    nonce = int(found[-1][1])
    assert mined(12, attempts=nonce) is None
    assert mined(12, start=nonce, attempts=1) == found


def test_an_id_has_no_more_bits_than_there_are() -> None:
    with pytest.raises(ValueError, match="256"):
        mined(257)

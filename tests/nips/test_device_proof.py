"""A device's proof: made by its key, for one account, one bridge and one moment; anything else proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nips.device_proof import PROOF_SECONDS, check_device_proof, make_device_proof, proof_tags
from nips.errors import InvalidProof
from nips.event import VerifiedEvent
from nips.keys import PublicKey, SecretKey
from tests.support.strategies import json_values, secret_keys, tags, texts
from tests.support.wraps import AUTHOR, BRIDGE, NOW, STRANGER, Json, drawn, signed

DEVICE = SecretKey(drawn("device"))
ACCOUNT = AUTHOR.public_key
TAGS = [["p", ACCOUNT], ["bridge", BRIDGE.public_key]]


def a_proof(*, by: SecretKey = DEVICE, **changes: Any) -> Json:
    """Return a proof that is rightly signed whatever the changes make of it."""
    return signed({"created_at": NOW, "kind": 24393, "tags": TAGS, "content": "", **changes}, by)


def check(value: object, *, device: PublicKey = DEVICE.public_key, now: int = NOW, **ours: PublicKey) -> VerifiedEvent:
    expected = {"account": ACCOUNT, "bridge": BRIDGE.public_key, **ours}
    return check_device_proof(value, device=device, now=now, **expected)


def field_of(value: object, **expected: Any) -> str:
    with pytest.raises(InvalidProof) as refused:
        check(value, **expected)
    return refused.value.field


def test_proof_is_what_the_contract_says() -> None:
    made = make_device_proof(DEVICE, account=ACCOUNT, bridge=BRIDGE.public_key, created_at=NOW, aux=drawn("aux"))
    assert made.to_dict() == {**a_proof(), "tags": tuple(map(tuple, TAGS))}
    assert proof_tags(ACCOUNT, BRIDGE.public_key) == made.tags
    assert check({**made.to_dict(), "tags": TAGS}) == made


def test_a_key_may_prove_itself_for_its_own_account() -> None:
    proof = a_proof(by=AUTHOR)
    assert check(proof, device=AUTHOR.public_key).id == proof["id"]


@pytest.mark.parametrize("away", [-PROOF_SECONDS, PROOF_SECONDS])
def test_proof_counts_for_ten_minutes_both_ways(away: int) -> None:
    assert PROOF_SECONDS == 600
    assert check(a_proof(created_at=NOW + away)).created_at == NOW + away
    assert field_of(a_proof(created_at=NOW + away + (1 if away > 0 else -1))) == "created_at"


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "another kind": (lambda: a_proof(kind=24392), "kind"),
    "another author": (lambda: a_proof(by=STRANGER), "pubkey"),
    "by the account": (lambda: a_proof(by=AUTHOR), "pubkey"),
    "content": (lambda: a_proof(content=" "), "content"),
    "another account": (lambda: a_proof(tags=[["p", STRANGER.public_key], TAGS[1]]), "tags"),
    "another bridge": (lambda: a_proof(tags=[TAGS[0], ["bridge", STRANGER.public_key]]), "tags"),
    "tags in another order": (lambda: a_proof(tags=TAGS[::-1]), "tags"),
    "no tags": (lambda: a_proof(tags=[]), "tags"),
    "no bridge": (lambda: a_proof(tags=TAGS[:1]), "tags"),
    "one more tag": (lambda: a_proof(tags=[*TAGS, ["t", "x"]]), "tags"),
    "the same account twice": (lambda: a_proof(tags=[TAGS[0], *TAGS]), "tags"),
    "a relay hint": (lambda: a_proof(tags=[[*TAGS[0], "wss://r"], TAGS[1]]), "tags"),
    "key in upper case": (lambda: a_proof(tags=[["p", ACCOUNT.upper()], TAGS[1]]), "tags"),
    "the id of another": (lambda: {**a_proof(), "id": a_proof(created_at=NOW - 1)["id"]}, "id"),
    "the signature of another": (lambda: {**a_proof(), "sig": a_proof(created_at=NOW - 1)["sig"]}, "sig"),
    "a short signature": (lambda: {**a_proof(), "sig": a_proof()["sig"][:126]}, "sig"),
    "a long id": (lambda: {**a_proof(), "id": a_proof()["id"] + "00"}, "id"),
    "a time with a fraction": (lambda: {**a_proof(), "created_at": float(NOW)}, "created_at"),
    "text": (lambda: "proof", ""),
    "nothing": (lambda: None, ""),
}


@pytest.mark.parametrize("name", WRONG)
def test_whatever_is_wrong_is_refused_by_its_field(name: str) -> None:
    make, field = WRONG[name]
    assert field_of(make()) == field


@pytest.mark.parametrize("name", sorted(a_proof()))
def test_whatever_is_missing_is_refused_by_its_field(name: str) -> None:
    assert field_of({key: value for key, value in a_proof().items() if key != name}) == name


def test_key_that_is_not_on_the_curve_proves_nothing() -> None:
    nowhere = PublicKey("f" * 64)
    assert field_of(a_proof(pubkey=nowhere), device=nowhere) == "sig"


CHANGES = st.one_of(
    st.tuples(st.just("tags"), tags),
    st.tuples(st.just("content"), texts),
    st.tuples(st.just("kind"), st.integers(0, 65535)),
    st.tuples(st.just("created_at"), st.integers(0, 2**53 - 1).filter(lambda time: abs(time - NOW) > 600)),
)
"""What a proof could say instead. A time within ten minutes would be another proof."""


@given(CHANGES)
@settings(max_examples=200)
def test_anything_else_proves_nothing_though_rightly_signed(change: tuple[str, Any]) -> None:
    name, value = change
    if a_proof()[name] == value:
        assert check(a_proof(**{name: value})).id == a_proof()["id"]
    else:
        assert field_of(a_proof(**{name: value})) == name


@given(st.sampled_from(["id", "pubkey", "created_at", "kind", "tags", "content", "sig"]), json_values)
@settings(max_examples=200)
def test_any_change_after_it_was_signed_is_refused(name: str, value: object) -> None:
    changed = {**a_proof(), name: value}
    if changed == a_proof() and type(value) is type(a_proof()[name]):
        assert check(changed).id == a_proof()["id"]
    else:
        assert field_of(changed)


@given(st.integers(0, 511), st.sampled_from(["id", "sig"]))
@settings(max_examples=60)
def test_no_bit_of_id_or_signature_may_differ(bit: int, name: str) -> None:
    size = 64 if name == "id" else 128
    flipped = int(a_proof()[name], 16) ^ 1 << bit % (4 * size)
    assert field_of({**a_proof(), name: f"{flipped:0{size}x}"}) == name


@given(secret_keys)
@settings(max_examples=30)
def test_proof_of_one_key_is_none_of_another(other: SecretKey) -> None:
    assume(other not in (DEVICE, AUTHOR, BRIDGE))
    assert field_of(a_proof(), device=other.public_key) == "pubkey"
    assert field_of(a_proof(), account=other.public_key) == "tags"
    assert field_of(a_proof(), bridge=other.public_key) == "tags"


def test_the_rule_that_is_broken_is_named_without_quoting_anything() -> None:
    with pytest.raises(InvalidProof) as refused:
        check(a_proof(content="planted"))
    assert str(refused.value) == "content: not empty"

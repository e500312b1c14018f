"""Proofs of a device's key that others' libraries sign are taken, and none that was changed before or after signing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nips.device_proof import check_device_proof, make_device_proof
from nips.errors import InvalidProof
from nips.keys import SecretKey
from tests.interop.nips.peer import NostrTools
from tests.support.strategies import secret_keys, tags, texts
from tests.support.wraps import AUTHOR, BRIDGE, NOW, STRANGER, Json, drawn

Sign = Callable[[SecretKey, Json], Json]
"""Sign kind, tags, content and time of an event with a key."""

ACCOUNT = AUTHOR.public_key
FIELDS: Json = {
    "created_at": NOW,
    "kind": 24393,
    "tags": [["p", ACCOUNT], ["bridge", BRIDGE.public_key]],
    "content": "",
}


def with_nostr_sdk(secret: SecretKey, fields: Json) -> Json:
    import nostr_sdk as sdk

    keys = sdk.Keys.parse(secret.reveal().hex())
    builder = sdk.EventBuilder(sdk.Kind(fields["kind"]), fields["content"])
    builder = builder.tags([sdk.Tag.parse(tag) for tag in fields["tags"]])
    signed = builder.custom_created_at(sdk.Timestamp.from_secs(fields["created_at"])).finalize(keys)
    found: Json = json.loads(signed.as_json())
    return found


@pytest.fixture(params=["nostr-sdk", "nostr-tools"])
def sign(request: pytest.FixtureRequest) -> Iterator[Sign]:
    """Return how each library signs."""
    if request.param == "nostr-sdk":
        pytest.importorskip("nostr_sdk", reason="no nostr-sdk: run ./test, which installs it")
        yield with_nostr_sdk
        return
    peer: NostrTools = request.getfixturevalue("nostr_tools")

    def with_nostr_tools(secret: SecretKey, fields: Json) -> Json:
        found: Json = peer.ask("sign", secret=secret.reveal().hex(), event=fields)
        return found

    yield with_nostr_tools


def is_taken(proof: Any, device: SecretKey) -> bool:
    try:
        check_device_proof(proof, device=device.public_key, account=ACCOUNT, bridge=BRIDGE.public_key, now=NOW)
    except InvalidProof:
        return False
    return True


@given(device=secret_keys)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_their_proof_is_taken(sign: Sign, device: SecretKey) -> None:
    assert is_taken(sign(device, FIELDS), device)


CHANGES = st.one_of(
    st.tuples(st.just("tags"), tags),
    st.tuples(st.just("content"), texts),
    st.tuples(st.just("kind"), st.integers(0, 65535)),
    st.tuples(st.just("created_at"), st.integers(0, 2**40).filter(lambda time: abs(time - NOW) > 600)),
)


@given(change=CHANGES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_else_they_sign_is_refused(sign: Sign, change: tuple[str, Any]) -> None:
    name, value = change
    assert is_taken(sign(STRANGER, {**FIELDS, name: value}), STRANGER) is (FIELDS[name] == value)


@given(change=CHANGES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_changed_after_they_signed_is_refused(sign: Sign, change: tuple[str, Any]) -> None:
    name, value = change
    assert is_taken({**sign(STRANGER, FIELDS), name: value}, STRANGER) is (FIELDS[name] == value)


def test_their_proof_by_another_key_is_refused(sign: Sign) -> None:
    assert not is_taken(sign(AUTHOR, FIELDS), STRANGER)
    assert not is_taken({**sign(AUTHOR, FIELDS), "pubkey": STRANGER.public_key}, STRANGER)


def test_our_proof_is_an_event_to_them(nostr_tools: NostrTools) -> None:
    ours = make_device_proof(STRANGER, account=ACCOUNT, bridge=BRIDGE.public_key, created_at=NOW, aux=drawn("aux"))
    assert nostr_tools.ask("verify", event=json.loads(ours.to_json())) is True

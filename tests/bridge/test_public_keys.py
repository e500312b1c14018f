"""Public keys as operators write them."""

from __future__ import annotations

import pytest

from bridge.errors import StartupError
from bridge.public_keys import public_keys
from nips.nip19 import encode_npub
from tests.support.pipeline import Client

ALICE, BOB = Client("alice").key, Client("bob").key


def test_a_key_is_the_same_as_npub_and_as_hex() -> None:
    assert public_keys("accounts.allow", [encode_npub(ALICE), ALICE, BOB]) == {ALICE, BOB}


@pytest.mark.parametrize("text", ["alice", "npub1", "ab" * 31, "npub1" + "q" * 58])
def test_what_is_no_key_is_named_with_its_setting(text: str) -> None:
    with pytest.raises(StartupError, match=f"turn.experiment.listed: '{text}' is no public key: "):
        public_keys("turn.experiment.listed", [ALICE, text])

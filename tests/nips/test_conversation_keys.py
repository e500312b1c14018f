"""Keys of peers that come back are kept, so many and no more, and never shown."""

from __future__ import annotations

import copy
import pickle

import pytest

from nips.conversation_keys import ConversationKeys
from nips.errors import InvalidKey
from nips.keys import PublicKey, SecretKey
from nips.nip44 import conversation_key
from tests.support.wraps import AUTHOR, BRIDGE, STRANGER, drawn

PEERS = [SecretKey(drawn(f"peer {number}")).public_key for number in range(5)]


def _met(shared: ConversationKeys, *peers: PublicKey) -> None:
    for peer in peers:
        shared.keep(peer, shared.shared_with(peer))


def test_kept_key_is_the_one_that_would_be_made() -> None:
    shared = ConversationKeys(BRIDGE, max_kept=2)
    expected = conversation_key(BRIDGE, AUTHOR.public_key)
    assert shared.shared_with(AUTHOR.public_key) == expected
    _met(shared, AUTHOR.public_key)
    assert len(shared) == 1
    assert shared.shared_with(AUTHOR.public_key) == expected == conversation_key(AUTHOR, BRIDGE.public_key)


def test_kept_key_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = ConversationKeys(BRIDGE, max_kept=1)
    _met(shared, AUTHOR.public_key)

    def no_more(*_: object) -> bytes:
        raise AssertionError("made again")

    monkeypatch.setattr("nips.conversation_keys.conversation_key", no_more)
    assert shared.shared_with(AUTHOR.public_key)
    with pytest.raises(AssertionError):
        shared.shared_with(STRANGER.public_key)


def test_looking_up_keeps_nothing() -> None:
    shared = ConversationKeys(BRIDGE, max_kept=10)
    shared.shared_with(AUTHOR.public_key)
    assert len(shared) == 0


def test_no_more_are_kept_than_allowed_and_the_one_used_least_lately_goes() -> None:
    shared = ConversationKeys(BRIDGE, max_kept=3)
    _met(shared, *PEERS[:3])
    shared.shared_with(PEERS[0])
    _met(shared, PEERS[3])
    assert list(shared._kept) == [PEERS[2], PEERS[0], PEERS[3]]
    _met(shared, *PEERS * 3)
    assert len(shared) == 3


def test_nothing_is_kept_where_there_is_no_room() -> None:
    shared = ConversationKeys(BRIDGE)
    _met(shared, *PEERS)
    assert len(shared) == 0


def test_dropped_key_is_overwritten() -> None:
    shared = ConversationKeys(BRIDGE, max_kept=1)
    _met(shared, PEERS[0])
    (evicted,) = shared._kept.values()
    _met(shared, PEERS[1])
    (forgotten,) = shared._kept.values()
    assert evicted == bytes(32)
    assert forgotten != bytes(32)
    shared.forget()
    assert forgotten == bytes(32)
    assert len(shared) == 0


def test_key_handed_out_outlives_the_kept_one() -> None:
    shared = ConversationKeys(BRIDGE, max_kept=1)
    _met(shared, PEERS[0])
    key = shared.shared_with(PEERS[0])
    shared.forget()
    assert key == conversation_key(BRIDGE, PEERS[0])


def test_peer_off_the_curve_shares_nothing() -> None:
    with pytest.raises(InvalidKey):
        ConversationKeys(BRIDGE, max_kept=1).shared_with(PublicKey("ff" * 32))


def test_no_secret_is_shown() -> None:
    shared = ConversationKeys(BRIDGE, max_kept=1)
    _met(shared, AUTHOR.public_key)
    for text in (repr(shared), str(shared), f"{shared}"):
        assert text == "ConversationKeys(hidden)"


@pytest.mark.parametrize("carry_away", [pickle.dumps, copy.copy, copy.deepcopy])
def test_no_secret_is_carried_away(carry_away: object) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        carry_away(ConversationKeys(BRIDGE, max_kept=1))  # type: ignore[operator]

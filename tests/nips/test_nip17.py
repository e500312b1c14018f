"""NIP-17: the list of relays where somebody wants gift wraps."""

from __future__ import annotations

from nips.nip17 import inbox_relays, make_inbox_relays, make_private_message
from tests.support.wraps import AUTHOR, BRIDGE, NOW, drawn


def _listed(*urls: str, maximum: int = 3) -> list[str]:
    event = make_inbox_relays(AUTHOR, urls, created_at=NOW, aux=drawn("aux"))
    return inbox_relays(event, maximum=maximum)


def test_list_is_a_replaceable_event_of_relay_tags() -> None:
    event = make_inbox_relays(AUTHOR, ["wss://a", "ws://b:7777"], created_at=NOW, aux=drawn("aux"))
    assert (event.kind, event.pubkey, event.created_at, event.content) == (10050, AUTHOR.public_key, NOW, "")
    assert event.tags == (("relay", "wss://a"), ("relay", "ws://b:7777"))


def test_list_keeps_its_order() -> None:
    assert _listed("wss://b", "wss://a/path") == ["wss://b", "wss://a/path"]


def test_only_so_many_are_taken() -> None:
    assert _listed("wss://1", "wss://2", "wss://3", "wss://4") == ["wss://1", "wss://2", "wss://3"]
    assert _listed("wss://1", maximum=0) == []


def test_same_relay_counts_once() -> None:
    assert _listed("wss://a", "wss://a", "wss://b", maximum=2) == ["wss://a", "wss://b"]


def test_what_is_no_relay_takes_no_place() -> None:
    assert _listed("", "https://a", "wss://", "relay", "wss://[", "wss://a:99999", "wss://ok", maximum=1) == [
        "wss://ok"
    ]


def test_private_message_names_its_one_recipient() -> None:
    rumor = make_private_message(AUTHOR.public_key, BRIDGE.public_key, "hello", created_at=NOW)
    assert (rumor.kind, rumor.pubkey, rumor.created_at, rumor.content) == (14, AUTHOR.public_key, NOW, "hello")
    assert rumor.tags == (("p", BRIDGE.public_key),)

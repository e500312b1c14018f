"""NIP-89: which kinds an application answers."""

from __future__ import annotations

import json

from nips.nip89 import make_handler
from tests.support.wraps import BRIDGE, NOW, drawn


def test_handler_names_its_kinds_and_relays() -> None:
    event = make_handler(
        BRIDGE,
        identifier="switchboard",
        handled_kinds=[24390],
        relays=["wss://a", "wss://b"],
        metadata={"name": "Zentrale für Rufe", "about": None},
        created_at=NOW,
        aux=drawn("aux"),
    )
    assert (event.kind, event.pubkey, event.created_at) == (31990, BRIDGE.public_key, NOW)
    assert event.tags == (("d", "switchboard"), ("k", "24390"), ("relay", "wss://a"), ("relay", "wss://b"))
    assert json.loads(event.content) == {"name": "Zentrale für Rufe", "about": None}

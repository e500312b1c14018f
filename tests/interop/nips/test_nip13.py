"""Work of theirs counts here, and work of ours counts there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nips import kinds
from nips.event import Event, parse_event, sign_event, verify_event
from nips.nip13 import committed_work, difficulty, mine
from nips.strict_json import dump
from tests.interop.nips.peer import NostrTools
from tests.support.strategies import AWKWARD
from tests.support.wraps import BRIDGE, NOW, ONE_TIME, drawn

sdk = pytest.importorskip("nostr_sdk", reason="no nostr-sdk: run ./test, which installs it")

BITS = 10
TAGS = (("p", str(BRIDGE.public_key)), ("x", AWKWARD))
CONTENT = "a wrap's content" + AWKWARD


def drafted() -> dict[str, Any]:
    return {"created_at": NOW, "kind": kinds.GIFT_WRAP, "tags": [list(tag) for tag in TAGS], "content": CONTENT}


def ours() -> Event:
    """Return an event with work of ours."""
    tags = mine(
        ONE_TIME.public_key,
        created_at=NOW,
        kind=kinds.GIFT_WRAP,
        tags=TAGS,
        content=CONTENT,
        bits=BITS,
        start=0,
        attempts=2 ** (BITS + 8),
    )
    assert tags is not None
    return sign_event(ONE_TIME, created_at=NOW, kind=kinds.GIFT_WRAP, tags=tags, content=CONTENT, aux=drawn("aux"))


def test_work_of_nostr_tools_counts_here(nostr_tools: NostrTools) -> None:
    event = nostr_tools.ask("mine", secret=ONE_TIME.reveal().hex(), event=drafted(), bits=BITS)
    assert committed_work(verify_event(parse_event(event))) == BITS


def test_our_work_counts_for_nostr_tools(nostr_tools: NostrTools) -> None:
    event = ours()
    assert nostr_tools.ask("verify", event=json.loads(event.to_json()))
    assert nostr_tools.ask("work", id=event.id) == difficulty(event.id) >= BITS


def test_work_of_nostr_sdk_counts_here() -> None:
    keys = sdk.Keys.parse(ONE_TIME.reveal().hex())
    unsigned = sdk.UnsignedEvent.from_json(dump({**drafted(), "pubkey": ONE_TIME.public_key}))
    event = unsigned.mine(sdk.SingleThreadPow(), BITS).sign(keys)
    assert committed_work(verify_event(parse_event(json.loads(event.as_json())))) == BITS


def test_our_work_counts_for_nostr_sdk() -> None:
    assert sdk.Event.from_json(ours().to_json()).verify()

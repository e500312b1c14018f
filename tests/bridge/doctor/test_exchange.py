"""A wrap's way over relays: good ones, and each that does something wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.doctor.exchange import Exchange, Party, Reading, exchange
from client.authentication import AuthState
from client.clock import SystemClock
from client.entropy import SystemEntropy
from client.publications import Outcome
from nips import kinds
from nips.event import sign_event, verify_event
from nips.nip17 import make_inbox_relays
from nips.nip59 import open_wrap
from tests.interop.bridge.peers import running_script
from tests.support.deadline import SCALE, within
from tests.support.odd_relay import NO_SERVICE_URL, OddRelay
from tests.support.peers import nostr_relay
from tests.support.wraps import BRIDGE, drawn

CLOCK = SystemClock()


def a_party(**changes: Any) -> Party:
    told = {"secret": BRIDGE, "clock": CLOCK, "entropy": SystemEntropy(), "seconds": SCALE, **changes}
    return Party(**told)


async def over(url: str, **changes: Any) -> Exchange:
    async with within(30):
        return await exchange(url, a_party(**changes))


async def test_good_relay_gives_both_kinds_back_to_their_recipient_alone() -> None:
    async with OddRelay() as relay:
        seen = await over(relay.url)
    assert (seen.auth, seen.stored, seen.live) == (AuthState.ACCEPTED, Reading.GOT, Reading.GOT)
    assert (seen.strangers_stored, seen.strangers_live) == (Reading.REFUSED, Reading.REFUSED)
    assert 0 < seen.took_seconds < 30


async def test_what_is_left_there_is_no_request_and_ends_soon() -> None:
    async with OddRelay() as relay:
        await over(relay.url)
        (wrap,) = relay.events
    assert open_wrap(verify_event(wrap), BRIDGE).kind != kinds.BRIDGE_REQUEST
    assert 0 < int(wrap.first_tag("expiration") or 0) - CLOCK.now() <= 120


async def test_own_lists_are_read_as_strangers_see_them() -> None:
    ours = make_inbox_relays(BRIDGE, ["wss://relay.example.org"], created_at=CLOCK.now(), aux=drawn("aux"))
    others = sign_event(BRIDGE, created_at=CLOCK.now(), kind=1, tags=[], content="", aux=drawn("aux"))
    async with OddRelay() as relay:
        relay.keep(ours)
        relay.keep(others)
        seen = await over(relay.url)
    assert seen.lists == (ours,)


async def test_strfry_without_service_url_answers_auth_with_a_notice() -> None:
    async with OddRelay(protected=frozenset({kinds.GIFT_WRAP}), auth_notice=NO_SERVICE_URL) as relay:
        seen = await over(relay.url)
    assert (seen.auth, seen.stored) == (AuthState.UNANSWERED, Reading.REFUSED)
    assert seen.kept.is_accepted
    assert NO_SERVICE_URL in seen.words
    assert (seen.live, seen.strangers_live) == (Reading.GOT, Reading.GOT)


async def test_relay_that_wants_auth_and_sends_no_challenge_is_seen() -> None:
    async with OddRelay(protected=frozenset({kinds.GIFT_WRAP}), challenges=False) as relay:
        seen = await over(relay.url)
    assert (seen.auth, seen.stored) == (None, Reading.REFUSED)
    assert any(words.startswith("auth-required:") for words in seen.words)


async def test_relay_that_refuses_auth_is_seen_with_its_reason() -> None:
    async with OddRelay(auth_refusal="invalid: relay: not this relay") as relay:
        seen = await over(relay.url)
    assert (seen.auth, seen.stored) == (AuthState.REFUSED, Reading.REFUSED)
    assert "invalid: relay: not this relay" in seen.words


async def test_relay_that_serves_strangers_is_seen() -> None:
    async with OddRelay(protected=frozenset()) as relay:
        seen = await over(relay.url)
    assert (seen.auth, seen.stored, seen.strangers_stored, seen.strangers_live) == (
        None,
        Reading.GOT,
        Reading.GOT,
        Reading.GOT,
    )


async def test_relay_that_loses_what_it_took_is_seen() -> None:
    async with OddRelay(lost=frozenset(kinds.WRAPS)) as relay:
        seen = await over(relay.url)
    assert seen.kept.is_accepted
    assert seen.passed.is_accepted
    assert (seen.stored, seen.live) == (Reading.NOTHING, Reading.NOTHING)


async def test_refusals_are_kept_in_the_words_of_the_relay() -> None:
    refusals = {kinds.GIFT_WRAP: "blocked: no wraps", kinds.EPHEMERAL_GIFT_WRAP: "invalid: ephemeral event expired"}
    async with OddRelay(refusals=refusals) as relay:
        seen = await over(relay.url)
    assert (seen.kept.message, seen.passed.message) == tuple(refusals.values())


async def test_relay_that_says_nothing_costs_seconds() -> None:
    begun = CLOCK.monotonic()
    async with OddRelay(silent=True) as relay:
        seen = await over(relay.url)
    assert seen.is_open
    assert seen.kept.outcome is Outcome.UNANSWERED
    assert CLOCK.monotonic() - begun < 5 * SCALE


async def test_relay_that_opens_no_websocket_is_seen_with_the_reason() -> None:
    async with OddRelay(status=403) as relay:
        seen = await over(relay.url)
    assert not seen.is_open
    assert seen.failure == "HTTP 403"


async def test_local_relay_serves_strangers_and_one_with_auth_dm_forgets_live_wraps() -> None:
    async with running_script("local_relay.py") as relays:
        everybody = await over(relays["open"])
        protected = await over(relays["protected"])
        closed = await over(relays["closed"])
    assert (everybody.stored, everybody.live) == (Reading.GOT, Reading.GOT)
    assert (everybody.strangers_stored, everybody.strangers_live) == (Reading.GOT, Reading.GOT)
    assert (protected.stored, protected.live, protected.auth) == (Reading.GOT, Reading.GOT, AuthState.ACCEPTED)
    assert (protected.strangers_stored, protected.strangers_live) == (Reading.REFUSED, Reading.GOT)
    assert (closed.stored, closed.live, closed.auth) == (Reading.GOT, Reading.GOT, AuthState.ACCEPTED)
    assert Reading.GOT not in (closed.strangers_stored, closed.strangers_live)


@pytest.mark.parametrize("seconds", [3.0])
async def test_nostr_relay_serves_strangers(tmp_path: Path, seconds: float) -> None:
    async with nostr_relay(tmp_path) as url:
        seen = await over(url, seconds=seconds * SCALE)
    assert (seen.stored, seen.live) == (Reading.GOT, Reading.GOT)
    assert (seen.strangers_stored, seen.strangers_live) == (Reading.GOT, Reading.GOT)

"""Keys that lose their rights while they are connected, over real sockets: told why, and refused when they return."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.outbox import GONE
from client.entropy import SystemEntropy, draw_key
from client.errors import BridgeRefusal
from nips import kinds
from nips.event import sign_event
from nips.filter import Filter
from nips.messages import write_authenticate, write_publish
from nips.nip42 import make_auth
from tests.bridge.relay.peer import Peer, peer
from tests.support.bridges import a_bridge, a_client, a_home, bridge_settings
from tests.support.clock import FixedClock
from tests.support.deadline import within
from tests.support.wraps import NOW

ENTROPY = SystemEntropy()
ALICE, PHONE, LAPTOP = (draw_key(ENTROPY) for _ in range(3))


async def listening(client: Peer, *keys: object) -> None:
    """Prove keys and listen for their wraps."""
    for key in (ALICE, PHONE, LAPTOP):
        if key in keys:
            auth = make_auth(
                key, relay_url=client.url, challenge=client.challenge, created_at=NOW, aux=ENTROPY.draw(32)
            )
            assert (await client._verdict(write_authenticate(auth))).accepted
    wanted = frozenset(str(key.public_key) for key in (ALICE, PHONE, LAPTOP) if key in keys)
    assert await client.request(Filter(kinds=kinds.WRAPS, tags={"p": wanted})) == []


async def test_a_revoked_devices_connections_are_closed_and_it_comes_back_as_a_stranger(tmp_path: Path) -> None:
    settings, clock = bridge_settings(), FixedClock(NOW)
    home = await a_home(tmp_path, settings)
    async with within(30), a_bridge(home, settings, clock=clock) as bridge:
        async with a_client(bridge, ALICE, clock=clock) as alice:
            phone = await alice.register_device(PHONE, name="phone")
            await alice.register_device(LAPTOP, name="laptop")
            async with peer(bridge.url) as one, peer(bridge.url) as both, peer(bridge.url) as other:
                await listening(one, PHONE)
                await listening(both, PHONE, ALICE)
                await listening(other, LAPTOP)
                await alice.revoke_device(phone.device_id)
                assert await one.closed() == await both.closed() == (1008, GONE)
                assert await other.request(Filter(kinds=frozenset({3}))) == []
            assert [device.name for device in await alice.devices()] == ["", "laptop"]
        async with a_client(bridge, PHONE, clock=clock) as revoked:
            with pytest.raises(BridgeRefusal) as refused:
                await revoked.account()
        assert refused.value.refusal.code == "BRIDGE_UNAUTHORIZED"


async def test_a_device_that_revokes_itself_is_answered_and_then_closed(tmp_path: Path) -> None:
    settings, clock = bridge_settings(), FixedClock(NOW)
    home = await a_home(tmp_path, settings)
    async with within(30), a_bridge(home, settings, clock=clock) as bridge:
        async with a_client(bridge, ALICE, clock=clock) as alice:
            phone = await alice.register_device(PHONE, name="phone")
        async with peer(bridge.url) as client:
            await listening(client, PHONE)
            async with a_client(bridge, PHONE, clock=clock) as leaving:
                await leaving.revoke_device(phone.device_id)
            assert (await client.closed())[0] == 1008


async def test_devices_of_an_account_that_vanishes_are_closed_too(tmp_path: Path) -> None:
    settings, clock = bridge_settings(), FixedClock(NOW)
    home = await a_home(tmp_path, settings)
    async with within(30), a_bridge(home, settings, clock=clock) as bridge:
        async with a_client(bridge, ALICE, clock=clock) as alice:
            await alice.register_device(PHONE, name="phone")
        clock.advance(2)
        vanish = sign_event(
            ALICE,
            created_at=clock.now(),
            kind=kinds.VANISH,
            tags=[("relay", "ALL_RELAYS")],
            content="",
            aux=ENTROPY.draw(32),
        )
        async with peer(bridge.url) as phone, peer(bridge.url) as sender:
            await listening(phone, PHONE)
            assert (await sender._verdict(write_publish(vanish))).accepted
            assert (await phone.closed())[0] == 1008


def test_the_reason_fits_into_a_close_frame() -> None:
    assert len(GONE.encode()) <= 123

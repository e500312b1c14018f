"""What a client does with its account, at a bridge that runs."""

from __future__ import annotations

from pathlib import Path

from nips.keys import SecretKey
from storage.sqlite import SqliteStorage
from tests.support.bridges import a_bridge, a_client, a_home, bridge_settings
from tests.support.clock import FixedClock
from tests.support.deadline import within
from tests.support.wraps import drawn

ASKER = SecretKey(drawn("asker"))


async def access_key(storage: SqliteStorage) -> bytes | None:
    found = await storage.accounts.find(ASKER.public_key)
    assert found is not None
    return await storage.accounts.access_key(found[0].number)


async def test_access_key_is_set_and_taken_away(tmp_path: Path) -> None:
    settings = bridge_settings()
    home = await a_home(tmp_path, settings)
    for key in (bytes(range(16)), None):
        async with within(20), a_bridge(home, settings) as bridge, a_client(bridge, ASKER) as client:
            await client.set_access_key(key)
        storage = await home.open_storage(settings, {})
        assert await access_key(storage) == key
        await storage.close()


async def test_deleted_account_begins_anew_with_the_permits_that_it_left(tmp_path: Path) -> None:
    settings, clock = bridge_settings(), FixedClock()
    home = await a_home(tmp_path, settings)
    async with (
        within(20),
        a_bridge(home, settings, clock=clock) as bridge,
        a_client(bridge, ASKER, clock=clock) as client,
    ):
        await client.turn_credentials()
        before = await client.account()
        await client.delete_account()
        clock.advance(1)
        after = await client.account()
    assert before.pubkey == after.pubkey
    assert before.pni != after.pni
    assert before.devices[0].device_id != after.devices[0].device_id
    assert after.limits["turn"].remaining == before.limits["turn"].remaining == 99

"""A coturn with a secret to share: it lets in whom the secret vouches for, and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aioice.stun
import aioice.turn
import pytest

from bridge.turn.coturn import CoturnProvider
from client.clock import SystemClock
from tests.support.coturn import HOST, CoturnServer, coturn_server, is_installed

USER = "0123456789abcdef" * 2

pytestmark = pytest.mark.skipif(not is_installed(), reason="no turnserver here: apt-get install coturn")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[CoturnServer]:
    async with coturn_server(tmp_path, user_quota=2) as running:
        yield running


async def allocate(server: CoturnServer, username: str, password: str) -> Any:
    transport, _ = await aioice.turn.create_turn_endpoint(
        asyncio.DatagramProtocol, server_addr=(HOST, server.port), username=username, password=password
    )
    return transport


async def test_our_credentials_get_an_allocation(server: CoturnServer) -> None:
    provider = CoturnProvider(secret=server.secret.encode(), urls=server.urls, ttl_seconds=60)
    credentials = await provider.credentials(user=USER, now=SystemClock().now())
    transport = await allocate(server, credentials.username, credentials.password)
    assert transport.get_extra_info("sockname")[0] == HOST
    transport.close()


async def test_wrong_password_expired_name_and_other_secret_are_refused(server: CoturnServer) -> None:
    now = SystemClock().now()
    good = CoturnProvider(secret=server.secret.encode(), urls=server.urls, ttl_seconds=60)
    other = CoturnProvider(secret=b"another", urls=server.urls, ttl_seconds=60)
    fresh, forged = await good.credentials(user=USER, now=now), await other.credentials(user=USER, now=now)
    expired = await good.credentials(user=USER, now=now - 3600)
    for username, password in [
        (fresh.username, "wrong"),
        (expired.username, expired.password),
        (forged.username, forged.password),
    ]:
        with pytest.raises(aioice.stun.TransactionFailed, match="401"):
            await allocate(server, username, password)


async def test_credentials_under_the_old_secret_hold_while_coturn_has_both(tmp_path: Path) -> None:
    now = SystemClock().now()
    async with coturn_server(tmp_path, other_secrets=["old"]) as server:
        for secret in (server.secret, "old"):
            provider = CoturnProvider(secret=secret.encode(), urls=server.urls, ttl_seconds=60)
            credentials = await provider.credentials(user=USER, now=now)
            (await allocate(server, credentials.username, credentials.password)).close()


async def test_quota_counts_one_account_over_all_its_credentials_of_a_day(server: CoturnServer) -> None:
    provider = CoturnProvider(secret=server.secret.encode(), urls=server.urls, ttl_seconds=60)
    now = SystemClock().now()
    transports = []
    for later in (0, 1):
        credentials = await provider.credentials(user=USER, now=now + later)
        transports.append(await allocate(server, credentials.username, credentials.password))
    third = await provider.credentials(user=USER, now=now + 2)
    with pytest.raises(aioice.stun.TransactionFailed, match="486"):
        await allocate(server, third.username, third.password)
    for transport in transports:
        transport.close()

"""Connections that live as long as a block of code."""

from __future__ import annotations

import asyncio

import pytest

from client.lifetime import linked
from tests.support.deadline import within
from tests.support.fake_relay import FakeRelay, FakeSession
from tests.support.relay_connection import connection_to


async def quiet(session: FakeSession) -> None:
    """Say nothing."""


async def test_block_runs_connected_and_ends_with_a_clean_close() -> None:
    codes: list[int | None] = []
    closed = asyncio.Event()

    async def relay(session: FakeSession) -> None:
        codes.append(await session.wait_closed())
        closed.set()

    async with within(), FakeRelay(relay) as server:
        connection = connection_to(server.url)
        async with linked(connection):
            await connection.wait_ready()
        await closed.wait()
    assert codes == [1000]


async def test_what_the_block_raises_comes_out_bare() -> None:
    async with within(), FakeRelay(quiet) as server:
        connection = connection_to(server.url)
        with pytest.raises(KeyError, match="of the block"):
            async with linked(connection):
                await connection.wait_ready()
                raise KeyError("of the block")
        assert connection.status.connected_since is None


async def test_block_may_be_cancelled() -> None:
    async with FakeRelay(quiet) as server:
        connection = connection_to(server.url)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0), linked(connection):
                await asyncio.Event().wait()

"""Connections that live as long as a block of code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from client.connection import RelayConnection


@asynccontextmanager
async def linked(*connections: RelayConnection) -> AsyncIterator[None]:
    """Run connections while the block runs, then close them; what the block raises comes out as it is."""
    failure: Exception | None = None
    async with asyncio.TaskGroup() as tasks:
        for connection in connections:
            tasks.create_task(connection.run())
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised again below, outside the group that would wrap it
            failure = error
        finally:
            for connection in connections:
                await connection.close()
    if failure is not None:
        raise failure

"""The least that a websocket server in Python can be: `websockets` without compression, sending back what it gets."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed


async def _echo(connection: ServerConnection) -> None:
    # Its clients go without a word.
    with suppress(ConnectionClosed):
        async for text in connection:
            await connection.send(text)


async def main() -> None:
    """Run it until stdin ends."""
    async with serve(_echo, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        print(json.dumps({"url": f"ws://127.0.0.1:{port}"}), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())

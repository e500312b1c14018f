"""PyPI's nostr-relay on an SQLite file, as it is shipped, until stdin ends."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from tests.support.peers import nostr_relay


async def main() -> None:
    """Run it."""
    with tempfile.TemporaryDirectory() as folder:
        async with nostr_relay(Path(folder)) as url:
            print(json.dumps({"url": url}), flush=True)
            await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())

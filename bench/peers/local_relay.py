"""nostr-sdk's LocalRelay, in memory as it comes, with limits that let the load through. It lasts until stdin ends."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import nostr_sdk as sdk

PLENTY = 1_000_000_000


async def main() -> None:
    """Run it."""
    limit = sdk.RateLimit(max_reqs=PLENTY, notes_per_minute=PLENTY)
    relay = sdk.LocalRelayBuilder().rate_limit(limit).build()
    await relay.run()
    print(json.dumps({"url": str(await relay.url())}), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
    # Threads of nostr-sdk call into Python even while it ends, and sometimes crash it then.
    os._exit(0)

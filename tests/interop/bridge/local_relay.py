"""Relays that are not ours: nostr-sdk's, in memory, one of each sort. They last until stdin ends.

stdout: {"open": url, "protected": url, "closed": url}
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import nostr_sdk as sdk

# By default 60 events a minute from one connection, which a bridge would use up alone.
UNLIMITED = sdk.RateLimit(max_reqs=10_000, notes_per_minute=1_000_000)


def builders() -> dict[str, Any]:
    """Return how each sort of relay is built."""
    both = sdk.LocalRelayBuilderNip42(mode=sdk.LocalRelayBuilderNip42Mode.BOTH)
    return {
        # Everybody reads everything.
        "open": sdk.LocalRelayBuilder(),
        # Gift wraps of kind 1059 are for their recipients only.
        "protected": sdk.LocalRelayBuilder().auth_dm(True),
        # Nobody reads or writes anything before AUTH.
        "closed": sdk.LocalRelayBuilder().nip42(both).auth_dm(True),
    }


async def main() -> None:
    """Run them."""
    relays = {name: builder.rate_limit(UNLIMITED).build() for name, builder in builders().items()}
    for relay in relays.values():
        await relay.run()
    print(json.dumps({name: str(await relay.url()) for name, relay in relays.items()}), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
    # Threads of nostr-sdk call into Python even while it ends, and sometimes crash it then.
    os._exit(0)

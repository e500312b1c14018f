"""An operator's messenger as its author would write it with nostr-sdk: reads the private messages for one key.

stdin:  {"relay": url, "secret": hex}
stdout: {"sender", "kind", "content", "recipients"} of the first message
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import timedelta
from typing import Any

import nostr_sdk as sdk

PATIENCE = timedelta(seconds=20)


async def first_message(relay: str, keys: Any) -> Any:
    """Return the first gift wrap for us that a relay has or gets, opened."""
    client = sdk.ClientBuilder().authenticator(sdk.SignerAuthenticator(keys)).build()
    notifications = client.notifications()
    await client.add_relay(sdk.RelayUrl.parse(relay))
    if failed := (await client.try_connect(PATIENCE)).failed:
        raise ConnectionError(failed)
    await client.subscribe(sdk.ReqTarget.auto([sdk.Filter().kind(sdk.Kind(1059)).pubkey(keys.public_key())]))
    async with asyncio.timeout(PATIENCE.total_seconds()):
        while True:
            notification = await notifications.next()
            if notification.is_new_event():
                return sdk.UnwrappedGift.from_gift_wrap(keys, notification.event)


async def main() -> None:
    """Wait for a message and print it."""
    # nostr-sdk calls its authenticator from threads of its own.
    sdk.uniffi_set_event_loop(asyncio.get_running_loop())
    wanted = json.load(sys.stdin)
    gift = await first_message(wanted["relay"], sdk.Keys.parse(wanted["secret"]))
    rumor = json.loads(gift.rumor().as_json())
    told = {
        "sender": gift.sender().to_hex(),
        "kind": rumor["kind"],
        "content": rumor["content"],
        "recipients": [tag[1] for tag in rumor["tags"] if tag[0] == "p"],
    }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
    # Threads of nostr-sdk call into Python even while it ends, and sometimes crash it then.
    os._exit(0)

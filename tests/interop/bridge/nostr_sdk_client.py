"""A client as its author would write it with nostr-sdk and nothing else: finds a bridge on a relay and asks it.

stdin:  {"relay": url, "kind": 1059 or 21059, "requests": [{"id", "method", "params"}]}
stdout: {"pubkey", "bridge", "inboxes", "answers": [{"asked", "kind", "created_at", "rumor"}]}
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import timedelta
from typing import Any

import nostr_sdk as sdk

GIFT_WRAP = 1059
EPHEMERAL_GIFT_WRAP = 21059
REQUEST = 24390
INBOX_RELAYS = 10050
HANDLER = 31990
PATIENCE = timedelta(seconds=15)


class Caller:
    """One key, connected to one relay."""

    def __init__(self, relay: str, kind: int) -> None:
        self.keys = sdk.Keys.generate()
        self.pubkey = self.keys.public_key()
        self._relay = sdk.RelayUrl.parse(relay)
        self._kind = kind
        self._client = sdk.ClientBuilder().authenticator(sdk.SignerAuthenticator(self.keys)).build()
        self._notifications = self._client.notifications()

    async def connect(self) -> None:
        """Connect or raise."""
        await self._client.add_relay(self._relay)
        failed = (await self._client.try_connect(PATIENCE)).failed
        if failed:
            raise ConnectionError(failed)

    async def find(self, wanted: dict[str, Any]) -> Any:
        """Return what a filter finds, waiting for what may be published only in a moment."""
        target = sdk.ReqTarget.auto([sdk.Filter.from_json(json.dumps(wanted))])
        (event,) = await self._client.fetch_events(
            target, timeout=PATIENCE, policy=sdk.ReqExitPolicy.WAIT_FOR_EVENTS(1)
        )
        return event

    async def listen(self) -> None:
        """Subscribe to our wraps and wait until the relay has sent those that it keeps."""
        wraps = sdk.Filter().kinds([sdk.Kind(GIFT_WRAP), sdk.Kind(EPHEMERAL_GIFT_WRAP)]).pubkey(self.pubkey)
        subscription = (await self._client.subscribe(sdk.ReqTarget.auto([wraps]))).id
        async with asyncio.timeout(PATIENCE.total_seconds()):
            while True:
                notification = await self._notifications.next()
                if notification.is_message():
                    message = notification.message.as_enum()
                    if message.is_end_of_stored_events() and message.subscription_id == subscription:
                        return

    async def ask(self, bridge: Any, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return its answer."""
        content = json.dumps({"_v": "1.0.0", **request})
        rumor = sdk.EventBuilder(sdk.Kind(REQUEST), content).finalize_unsigned(self.pubkey).ensure_id()
        sent = await self._client.send_event(self._wrap(rumor, bridge))
        if sent.failed:
            raise ConnectionError(sent.failed)
        wrap = await self._next_wrap()
        return {
            "asked": rumor.id().to_hex(),
            "kind": wrap.kind().as_u16(),
            "created_at": wrap.created_at().as_secs(),
            "rumor": json.loads(self._open(wrap).as_json()),
        }

    def _wrap(self, rumor: Any, recipient: Any) -> Any:
        if self._kind == GIFT_WRAP:
            return sdk.nip59_make_gift_wrap(self.keys, recipient, rumor)
        # nostr-sdk wraps in 1059 only; the ephemeral wrap has the same layers, and a time that is true.
        seal = sdk.nip59_make_seal(self.keys, recipient, rumor)
        once = sdk.Keys.generate()
        content = once.nip44_encrypt(recipient, seal.as_json())
        return sdk.EventBuilder(sdk.Kind(self._kind), content).tags([sdk.Tag.public_key(recipient)]).finalize(once)

    def _open(self, wrap: Any) -> Any:
        if wrap.kind().as_u16() == GIFT_WRAP:
            return sdk.UnwrappedGift.from_gift_wrap(self.keys, wrap).rumor()
        # It opens 1059 only, too.
        seal = sdk.Event.from_json(self.keys.nip44_decrypt(wrap.author(), wrap.content()))
        rumor = sdk.UnsignedEvent.from_json(self.keys.nip44_decrypt(seal.author(), seal.content()))
        if not seal.verify() or rumor.author() != seal.author():
            raise ValueError("the seal is not by the rumor's author")
        return rumor

    async def _next_wrap(self) -> Any:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            while True:
                notification = await self._notifications.next()
                if notification.is_new_event():
                    return notification.event


async def main() -> None:
    """Find the bridge, ask, and print the answers."""
    # nostr-sdk calls its authenticator from threads of its own.
    sdk.uniffi_set_event_loop(asyncio.get_running_loop())
    wanted = json.load(sys.stdin)
    caller = Caller(wanted["relay"], wanted["kind"])
    await caller.connect()
    bridge = (await caller.find({"kinds": [HANDLER], "#k": [str(REQUEST)]})).author()
    inboxes = await caller.find({"kinds": [INBOX_RELAYS], "authors": [bridge.to_hex()]})
    await caller.listen()
    answers = [await caller.ask(bridge, request) for request in wanted["requests"]]
    result = {
        "pubkey": caller.pubkey.to_hex(),
        "bridge": bridge.to_hex(),
        "inboxes": [str(url) for url in sdk.nip17_extract_relay_list(inboxes)],
        "answers": answers,
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
    # Threads of nostr-sdk call into Python even while it ends, and sometimes crash it then.
    os._exit(0)

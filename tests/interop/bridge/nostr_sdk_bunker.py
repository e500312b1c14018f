"""A bunker (NIP-46) as its author would write it on nostr-sdk: holds a user's key and counts what it is asked for.

stdin:  {"relay": url}, then one empty line for each count, until it ends
stdout: {"uri": bunker address, "pubkey": the user's key}, then for each count [method, …] in the order asked
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import timedelta
from typing import Any

import nostr_sdk as sdk

REMOTE_SIGNING = 24133
PATIENCE = timedelta(seconds=15)
SECRET = "let-me-in"


class Bunker:
    """Uses one user's key for whoever knew the secret."""

    def __init__(self, relay: str) -> None:
        self.user = sdk.Keys.generate()
        self.own = sdk.Keys.generate()
        self.asked: list[str] = []
        self._admitted: set[str] = set()
        self._relay = sdk.RelayUrl.parse(relay)
        self._client = sdk.ClientBuilder().build()
        self._notifications = self._client.notifications()

    @property
    def uri(self) -> str:
        """The address for the user to copy."""
        return f"bunker://{self.own.public_key().to_hex()}?relay={self._relay}&secret={SECRET}"

    async def listen(self) -> None:
        """Connect and subscribe, and wait until the relay has taken note."""
        await self._client.add_relay(self._relay)
        failed = (await self._client.try_connect(PATIENCE)).failed
        if failed:
            raise ConnectionError(failed)
        wanted = sdk.Filter().kind(sdk.Kind(REMOTE_SIGNING)).pubkey(self.own.public_key())
        subscription = (await self._client.subscribe(sdk.ReqTarget.auto([wanted]))).id
        while True:
            notification = await self._notifications.next()
            if notification.is_message():
                message = notification.message.as_enum()
                if message.is_end_of_stored_events() and message.subscription_id == subscription:
                    return

    async def serve(self) -> None:
        """Answer until cancelled."""
        while True:
            notification = await self._notifications.next()
            if notification.is_new_event():
                await self._answer(notification.event)

    async def _answer(self, event: Any) -> None:
        client = event.author()
        request = json.loads(self.own.nip44_decrypt(client, event.content()))
        self.asked.append(request["method"])
        reply = {"id": request["id"], "result": "", "error": ""}
        try:
            reply["result"] = self._do(client.to_hex(), request["method"], request["params"])
        except Exception as error:  # noqa: BLE001 - told to whoever asks
            reply["error"] = str(error) or "no"
        content = self.own.nip44_encrypt(client, json.dumps(reply))
        answer = sdk.EventBuilder(sdk.Kind(REMOTE_SIGNING), content).tags([sdk.Tag.public_key(client)])
        await self._client.send_event(answer.finalize(self.own))

    def _do(self, client: str, method: str, params: list[str]) -> str:
        if method == "connect":
            if params[:2] != [self.own.public_key().to_hex(), SECRET]:
                raise PermissionError("wrong secret")
            self._admitted.add(client)
            return "ack"
        if client not in self._admitted:
            raise PermissionError("connect first")
        match method, params:
            case "get_public_key", _:
                return str(self.user.public_key().to_hex())
            case "nip44_encrypt", [peer, text]:
                return str(self.user.nip44_encrypt(sdk.PublicKey.parse(peer), text))
            case "nip44_decrypt", [peer, payload]:
                return str(self.user.nip44_decrypt(sdk.PublicKey.parse(peer), payload))
            case "sign_event", [template]:
                wanted = {"pubkey": self.user.public_key().to_hex(), **json.loads(template)}
                return str(self.user.sign_event(sdk.UnsignedEvent.from_json(json.dumps(wanted))).as_json())
        raise NotImplementedError(method)


async def main() -> None:
    """Serve, and count for whoever wants to know."""
    sdk.uniffi_set_event_loop(asyncio.get_running_loop())
    bunker = Bunker(json.loads(sys.stdin.readline())["relay"])
    await bunker.listen()
    print(json.dumps({"uri": bunker.uri, "pubkey": bunker.user.public_key().to_hex()}), flush=True)
    serving = asyncio.create_task(bunker.serve())
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(bunker.asked), flush=True)
    serving.cancel()


if __name__ == "__main__":
    asyncio.run(main())
    # Threads of nostr-sdk call into Python even while it ends, and sometimes crash it then.
    os._exit(0)

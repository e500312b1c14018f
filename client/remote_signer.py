"""A key that somebody else holds (NIP-46): each use of it is a question over relays, and may have to wait for a person.

So it is asked for as little as can be. Let it register a device's key (`BridgeClient.register_device`), and use that.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence

from client.clock import Clock
from client.connection import RelayConnection
from client.entropy import Entropy
from client.errors import SignerFailed
from client.signer import LocalSigner
from nips import kinds
from nips.errors import InvalidKey, InvalidMessage, InvalidPayload
from nips.event import VerifiedEvent, parse_event, verify_event
from nips.filter import Filter
from nips.keys import PublicKey, SecretKey, parse_public_key
from nips.nip46 import AUTH_URL, Bunker, SignerReply, parse_signer_reply, write_signer_request
from nips.nip59 import MAX_PAYLOAD
from nips.strict_json import dump

log = logging.getLogger(__name__)

PERMISSIONS = ("nip44_encrypt", "nip44_decrypt", f"sign_event:{kinds.SEAL}", f"sign_event:{kinds.AUTH}")
"""What registering a device takes, so that the user may agree to all of it at once."""

MAX_WAITING = 32
"""Questions that wait for an answer. More come only when somebody sends us wraps in bulk, and then fail."""


class RemoteSigner:
    """The user's key, in the hands of a remote signer."""

    def __init__(
        self,
        bunker: Bunker,
        client: SecretKey,
        connections: Sequence[RelayConnection],
        *,
        clock: Clock,
        entropy: Entropy,
        timeout_seconds: float = 60.0,
        on_auth_url: Callable[[str], None] | None = None,
    ) -> None:
        """Listen on connections to the bunker's relays that somebody runs.

        `client` is a key made for this conversation; keep it, and the bunker knows us again. `on_auth_url` shows the
        user a page on which to agree.
        """
        self._bunker = bunker
        self._client = LocalSigner(client, entropy)
        self._connections = tuple(connections)
        self._clock = clock
        self._entropy = entropy
        self._timeout_seconds = timeout_seconds
        self._on_auth_url = on_auth_url
        self._waiting: dict[str, asyncio.Future[SignerReply]] = {}
        self._public_key: PublicKey | None = None
        self._name = entropy.draw(8).hex()
        for connection in self._connections:
            connection.subscribe(self._name, self._filters, self._take)

    @property
    def public_key(self) -> PublicKey:
        """The user's key; known once we are connected."""
        if self._public_key is None:
            raise SignerFailed("not connected to the bunker yet")
        return self._public_key

    async def connect(self, *, permissions: Sequence[str] = PERMISSIONS) -> PublicKey:
        """Introduce ourselves and return the user's key; raise `SignerFailed`."""
        params = [self._bunker.signer, self._bunker.secret or "", ",".join(permissions)]
        said = await self._ask("connect", *params)
        if said not in ("ack", self._bunker.secret):
            raise SignerFailed("the bunker did not repeat its secret")
        try:
            self._public_key = parse_public_key(await self._ask("get_public_key"))
        except InvalidKey as error:
            raise SignerFailed(str(error)) from None
        return self._public_key

    def close(self) -> None:
        """Stop listening; questions in progress will find no answer."""
        for connection in self._connections:
            connection.unsubscribe(self._name)

    async def encrypt(self, text: str, peer: PublicKey) -> str:
        """Return a NIP-44 payload for a peer."""
        return await self._ask("nip44_encrypt", peer, text)

    async def decrypt(self, payload: str, peer: PublicKey) -> str:
        """Return the text of a peer's NIP-44 payload; a bunker does not tell whether it is none or may not be read."""
        return await self._ask("nip44_decrypt", peer, payload)

    async def sign(self, *, created_at: int, kind: int, tags: Sequence[Sequence[str]], content: str) -> VerifiedEvent:
        """Return the event, signed by the user's key and otherwise just as it was given."""
        asked = {"created_at": created_at, "kind": kind, "tags": [list(tag) for tag in tags], "content": content}
        signed = await self._ask("sign_event", dump({"pubkey": self.public_key, **asked}))
        try:
            event = verify_event(parse_event(json.loads(signed)))
        except (ValueError, RecursionError):
            raise SignerFailed("what the bunker signed is no event") from None
        said = {**event.to_dict(), "tags": [list(tag) for tag in event.tags]}
        if event.pubkey != self.public_key or any(said[name] != value for name, value in asked.items()):
            raise SignerFailed("what the bunker signed is not what it was asked to")
        return event

    async def _ask(self, method: str, *params: str) -> str:
        if len(self._waiting) >= MAX_WAITING:
            raise SignerFailed(f"{MAX_WAITING} questions wait for the bunker")
        request_id = self._entropy.draw(16).hex()
        content = await self._client.encrypt(write_signer_request(request_id, method, params), self._bunker.signer)
        tags = [("p", self._bunker.signer)]
        event = await self._client.sign(
            created_at=self._clock.now(), kind=kinds.REMOTE_SIGNING, tags=tags, content=content
        )
        answer = self._waiting[request_id] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                reply = await self._answer_to(event, answer)
        except TimeoutError:
            raise SignerFailed(f"the bunker did not answer to {method}") from None
        finally:
            del self._waiting[request_id]
        if reply.error:
            # Its own words may say anything; what was asked for is ours.
            raise SignerFailed(f"the bunker refuses {method}")
        return reply.result

    async def _answer_to(self, event: VerifiedEvent, answer: asyncio.Future[SignerReply]) -> SignerReply:
        async with asyncio.TaskGroup() as tasks:
            publishing = [tasks.create_task(self._publish(connection, event)) for connection in self._connections]
            reply = await answer
            for task in publishing:
                task.cancel()
        return reply

    async def _publish(self, connection: RelayConnection, event: VerifiedEvent) -> None:
        # Its answer is never repeated by a relay, so our subscription has to stand first.
        await connection.wait_ready()
        await connection.publish(event, timeout_seconds=self._timeout_seconds)

    def _filters(self, now: int) -> list[Filter]:
        return [
            Filter(
                kinds=frozenset({kinds.REMOTE_SIGNING}),
                authors=frozenset({str(self._bunker.signer)}),
                tags={"p": frozenset({str(self._client.public_key)})},
            )
        ]

    async def _take(self, event: VerifiedEvent) -> None:
        try:
            text = await self._client.decrypt(event.content, event.pubkey)
            reply = parse_signer_reply(text, max_bytes=MAX_PAYLOAD)
        except (InvalidPayload, InvalidMessage) as error:
            log.debug("not a bunker's answer", extra={"facts": {"reason": str(error)}})
            return
        answer = self._waiting.get(reply.request_id)
        if answer is None or answer.done():
            return
        if reply.result != AUTH_URL:
            answer.set_result(reply)
        elif self._on_auth_url is not None:
            self._on_auth_url(reply.error)

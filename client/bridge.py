"""Requests to a bridge over relays, answered over relays (docs/protocol.md).

A request is one rumor, made once. It goes to every relay that was given, each time in a new wrap, until the bridge has
answered or the time is over: the bridge knows the rumor again and carries it out once. Only what the bridge itself
sealed counts as an answer; everything else that arrives for our key is left alone.

The key may be held by somebody else (`client.signer`), who is then asked for as little as can be: one seal for each
request, however often it is repeated, and to open what comes in the kind of wrap that an answer is due in.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from client.clock import Clock
from client.connection import RelayConnection
from client.entropy import Entropy
from client.envelope import Reply, Response, parse_response, reply_kind, write_request
from client.errors import (
    BridgeRefusal,
    BridgeSilent,
    BridgeUnreachable,
    CallFailed,
    InvalidResponse,
    SignerFailed,
    TooManyCalls,
)
from client.mining import WorkedWraps
from client.publications import Outcome, Verdict
from client.results import (
    Account,
    BridgeInfo,
    Device,
    TurnCredentials,
    parse_account,
    parse_bridge_info,
    parse_devices,
    parse_registered,
    parse_turn_credentials,
)
from client.signer import LocalSigner, Signer, open_with, seal_with
from client.subscriptions import SubscriptionState
from client.wrapping import BACKDATE_SECONDS, wrap_again
from nips import kinds
from nips.device_proof import make_device_proof
from nips.errors import InvalidWrap
from nips.event import VerifiedEvent
from nips.filter import Filter
from nips.keys import PublicKey, SecretKey
from nips.nip59 import Rumor, make_rumor

ACCESS_KEY_BYTES = 16

UNASKED_BITS = 16
"""Work that comes with the first repetition of a request that a bridge does not know us by: what most ask at least."""

MORE_BITS = 2
"""How much more comes with each further one."""

_SKEW_SECONDS = 3_600
"""How far the bridge's clock and ours may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeLimits:
    """How patiently a bridge is asked."""

    max_calls: int = 64
    """Requests that wait for an answer."""
    ready_seconds: float = 5.0
    """Wait for a connected relay to settle our subscription; then the request is sent anyway."""
    publish_seconds: float = 10.0
    """Wait for a relay's verdict. A live wrap must arrive while it is fresh."""
    retry_seconds: float = 8.0
    """Wait for the answer before the first repetition; it doubles with each further one."""
    max_pow_bits: int = 22
    """Work (NIP-13) that is done at most to become an account: four million attempts on average, and as much as a
    bridge asks unless its operator says otherwise. 0: none."""


def _new_future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


@dataclass(slots=True, repr=False)
class _Call:
    request_id: str
    rumor: Rumor
    seal: VerifiedEvent
    kind: int
    answer_kind: int
    expires_at: int | None
    answer: asyncio.Future[Response | CallFailed]
    worked: WorkedWraps
    asked_for_work: Response | None = None
    """The latest answer that asked for more work than was done."""
    again: asyncio.Future[None] = field(default_factory=_new_future)
    """Done when there is a reason to ask again at once; then there is another."""
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    def ask_again(self) -> None:
        self.again.set_result(None)
        self.again = _new_future()

    def settle(self, answer: Response | CallFailed) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)


class BridgeClient:
    """A caller of one bridge, with one key."""

    def __init__(
        self,
        signer: SecretKey | Signer,
        bridge: PublicKey,
        connections: Sequence[RelayConnection],
        *,
        clock: Clock,
        entropy: Entropy,
        limits: BridgeLimits | None = None,
        invite: str | None = None,
    ) -> None:
        """Listen on connections that somebody runs; relays that protect wraps want the signer among their keys.

        The code of an invite is shown to the bridge until it has let us in.
        """
        if not connections:
            raise ValueError("a bridge is asked over at least one relay")
        self._signer = LocalSigner(signer, entropy) if isinstance(signer, SecretKey) else signer
        self._bridge = bridge
        self._connections = tuple(connections)
        self._clock = clock
        self._entropy = entropy
        self._limits = limits or BridgeLimits()
        self._calls: dict[str, _Call] = {}
        self._sealing = 0
        self._invite = invite
        self._has_account = False
        self._proved: dict[tuple[PublicKey, PublicKey], int] = {}
        self._name = entropy.draw(8).hex()
        self.server_time: int | None = None
        """The bridge's clock as of its latest answer, in seconds since the epoch."""
        for connection in self._connections:
            connection.subscribe(self._name, self._filters, self._take_wrap)

    def close(self) -> None:
        """Stop listening; calls in progress will find the bridge silent."""
        for connection in self._connections:
            connection.unsubscribe(self._name)

    async def info(self, *, timeout_seconds: float = 30.0) -> BridgeInfo:
        """Return what the bridge is and offers."""
        return parse_bridge_info(await self.call("bridge.info", timeout_seconds=timeout_seconds))

    async def account(self, *, timeout_seconds: float = 30.0) -> Account:
        """Return our account, its devices and the permits left."""
        return parse_account(await self.call("account.get", timeout_seconds=timeout_seconds))

    async def register_device(
        self,
        device: SecretKey,
        *,
        name: str = "",
        platform: str | None = None,
        account: PublicKey | None = None,
        timeout_seconds: float = 30.0,
    ) -> Device:
        """Have a key act for our account from now on, or rename it; `account` if we are only a device ourselves."""
        account = account or self._signer.public_key
        proof = make_device_proof(
            device,
            account=account,
            bridge=self._bridge,
            created_at=self._next_proof(device.public_key, account),
            aux=self._entropy.draw(32),
        )
        params: dict[str, Any] = {"device_pubkey": device.public_key, "name": name, "proof": proof.to_dict()}
        if platform is not None:
            params["platform"] = platform
        return parse_registered(await self.call("device.register", params, timeout_seconds=timeout_seconds))

    def _next_proof(self, device: PublicKey, account: PublicKey) -> int:
        """Return the time of a proof: each has its own, since the second of the same second would be the same event."""
        now = self._clock.now()
        self._proved = {pair: at for pair, at in self._proved.items() if at >= now}
        at = self._proved[device, account] = max(now, self._proved.get((device, account), 0) + 1)
        return at

    async def devices(self, *, timeout_seconds: float = 30.0) -> tuple[Device, ...]:
        """Return the devices of our account, the primary first."""
        return parse_devices(await self.call("device.list", timeout_seconds=timeout_seconds))

    async def revoke_device(self, device_id: str, *, timeout_seconds: float = 30.0) -> None:
        """Have a device act for our account no more, at once."""
        await self.call("device.revoke", {"device_id": device_id}, timeout_seconds=timeout_seconds)

    async def delete_account(self, *, timeout_seconds: float = 30.0) -> None:
        """Have our account erased, with its devices and everything that waits for them."""
        await self.call("account.delete", timeout_seconds=timeout_seconds)

    async def set_access_key(self, key: bytes | None, *, timeout_seconds: float = 30.0) -> None:
        """Set the 16 bytes by which others reach us without saying who they are, or take them away."""
        if key is not None and len(key) != ACCESS_KEY_BYTES:
            raise ValueError(f"an access key has {ACCESS_KEY_BYTES} bytes")
        params = {"unidentified_access_key": None if key is None else b64encode(key).decode()}
        await self.call("account.set_access_key", params, timeout_seconds=timeout_seconds)

    async def turn_credentials(self, *, relay_only: bool = False, timeout_seconds: float = 30.0) -> TurnCredentials:
        """Return fresh TURN credentials; with `relay_only` peers never see each other's addresses."""
        params = {"relay_only": True} if relay_only else {}
        result = await self.call("turn.get_credentials", params, timeout_seconds=timeout_seconds)
        return parse_turn_credentials(result)

    async def call(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        expires_at: int | None = None,
        reply: Reply | str = Reply.SAME,
        kind: int = kinds.EPHEMERAL_GIFT_WRAP,
        invite: str | None = None,
        timeout_seconds: float = 30.0,
    ) -> dict[str, Any]:
        """Ask for something and return the result; raise a `CallFailed`.

        `kind` 21059 is for a bridge that is there now, 1059 waits for it on the relay. The time does not include what
        a signer takes that is not this program.
        """
        reply = Reply(reply)
        if len(self._calls) + self._sealing >= self._limits.max_calls:
            raise TooManyCalls(f"{self._limits.max_calls} requests wait for an answer")
        request_id = self._entropy.draw(16).hex()
        shown = invite if invite is not None or self._has_account else self._invite
        content = write_request(request_id, method, params or {}, expires_at=expires_at, reply=reply, invite=shown)
        rumor = make_rumor(
            self._signer.public_key,
            created_at=self._clock.now(),
            kind=kinds.BRIDGE_REQUEST,
            tags=[("p", self._bridge)],
            content=content,
        )
        call = self._call_of(request_id, rumor, await self._seal(rumor), kind, reply_kind(kind, reply), expires_at)
        self._calls[rumor.id] = call
        try:
            async with asyncio.TaskGroup() as tasks:
                asking = [tasks.create_task(self._keep_asking(connection, call)) for connection in self._connections]
                await asyncio.wait([call.answer], timeout=timeout_seconds)
                for task in asking:
                    task.cancel()
        finally:
            del self._calls[rumor.id]
        result = _result_of(call, timeout_seconds)
        self._has_account |= method != "bridge.info"
        return result

    def _call_of(
        self, request_id: str, rumor: Rumor, seal: VerifiedEvent, kind: int, answer_kind: int, expires_at: int | None
    ) -> _Call:
        worked = WorkedWraps(
            seal, self._bridge, kind=kind, clock=self._clock, entropy=self._entropy, expires_at=expires_at
        )
        return _Call(request_id, rumor, seal, kind, answer_kind, expires_at, _new_future(), worked)

    async def _seal(self, rumor: Rumor) -> VerifiedEvent:
        self._sealing += 1
        try:
            return await seal_with(self._signer, rumor, self._bridge, clock=self._clock, entropy=self._entropy)
        finally:
            self._sealing -= 1

    async def _keep_asking(self, connection: RelayConnection, call: _Call) -> None:
        patience, silences = self._limits.retry_seconds, 0
        while not call.answer.done():
            if not await self._is_connected(connection):
                continue
            again = call.again
            verdict = await self._ask(connection, call)
            call.verdicts[connection.url] = verdict
            if verdict.outcome in (Outcome.REFUSED, Outcome.AUTH_REQUIRED):
                self._give_up_if_all_refused(call)
                return
            reasons: list[asyncio.Future[Any]] = [call.answer, again]
            await asyncio.wait(reasons, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if not again.done():
                patience, silences = 2 * patience, silences + 1
                self._offer_work(call, silences)

    def _offer_work(self, call: _Call, silences: int) -> None:
        # A bridge that is flooded by newcomers does not even answer them all, and first those who worked.
        if not self._has_account:
            bits = min(self._limits.max_pow_bits, UNASKED_BITS + MORE_BITS * (silences - 1))
            call.worked.bits = max(call.worked.bits, bits)

    async def _is_connected(self, connection: RelayConnection) -> bool:
        # The answer to a live request is never repeated by a relay, so our subscription has to stand first.
        try:
            async with asyncio.timeout(self._limits.ready_seconds):
                await connection.wait_ready()
        except TimeoutError:
            return connection.status.connected_since is not None
        return True

    async def _ask(self, connection: RelayConnection, call: _Call) -> Verdict:
        if connection.status.subscriptions.get(self._name) is SubscriptionState.REFUSED:
            return Verdict(Outcome.REFUSED, "the relay does not give us what is ours")
        wrap = await self._wrap_for(connection, call)
        return await connection.publish(wrap, timeout_seconds=self._limits.publish_seconds)

    async def _wrap_for(self, connection: RelayConnection, call: _Call) -> VerifiedEvent:
        if call.worked.bits:
            return await call.worked.wrap_for(connection.url)
        return wrap_again(
            call.seal,
            self._bridge,
            kind=call.kind,
            clock=self._clock,
            entropy=self._entropy,
            expires_at=call.expires_at,
        )

    def _give_up_if_all_refused(self, call: _Call) -> None:
        refused = [verdict.outcome in (Outcome.REFUSED, Outcome.AUTH_REQUIRED) for verdict in call.verdicts.values()]
        if len(refused) == len(self._connections) and all(refused):
            call.settle(BridgeUnreachable(call.verdicts))

    def _filters(self, now: int) -> list[Filter]:
        ours = {"p": frozenset({str(self._signer.public_key)})}
        stored, live = frozenset({kinds.GIFT_WRAP}), frozenset({kinds.EPHEMERAL_GIFT_WRAP})
        return [
            Filter(kinds=stored, tags=ours, since=now - BACKDATE_SECONDS - _SKEW_SECONDS),
            # No `since`: nobody stores these, and a clock that was wrong when we asked would shut live answers out.
            Filter(kinds=live, tags=ours),
        ]

    async def _take_wrap(self, wrap: VerifiedEvent) -> None:
        # Opening costs two decryptions, of somebody else's time perhaps; with nothing asked nothing is an answer.
        if all(call.answer_kind != wrap.kind for call in self._calls.values()):
            return
        try:
            rumor = await open_with(self._signer, wrap)
        except (InvalidWrap, SignerFailed):
            return
        if rumor.pubkey != self._bridge or rumor.kind != kinds.BRIDGE_RESPONSE:
            return
        call = self._calls.get(next((tag[1] for tag in rumor.tags if tag[0] == "e" and len(tag) > 1), ""))
        if call is None or not _is_for(rumor, self._signer.public_key):
            return
        try:
            response = parse_response(rumor.content)
        except InvalidResponse as error:
            call.settle(error)
            return
        if response.request_id not in (call.request_id, None):
            call.settle(InvalidResponse("id: not that of the request"))
            return
        self.server_time = response.server_time
        if not self._works_for(call, response):
            call.settle(response)

    def _works_for(self, call: _Call, response: Response) -> bool:
        """Ask again with the work that an answer asks for; tell whether that is what it wants, and not too much."""
        refusal = response.refusal
        if refusal is None or refusal.code != "BRIDGE_POW_REQUIRED" or refusal.pow_bits is None:
            return False
        if refusal.pow_bits > self._limits.max_pow_bits:
            return False
        call.asked_for_work = response
        # Less was asked for a wrap that went out before, perhaps by another relay.
        if refusal.pow_bits > call.worked.bits:
            call.worked.bits = refusal.pow_bits
            call.ask_again()
        return True


def _is_for(rumor: Rumor, key: PublicKey) -> bool:
    return all(tag[1:2] == (key,) for tag in rumor.tags if tag[0] == "p")


def _result_of(call: _Call, seconds: float) -> dict[str, Any]:
    answer = call.answer.result() if call.answer.done() else call.asked_for_work
    if answer is None:
        raise BridgeSilent(seconds, call.verdicts)
    if isinstance(answer, CallFailed):
        raise answer
    if answer.refusal is not None:
        raise BridgeRefusal(answer.refusal)
    return answer.result or {}

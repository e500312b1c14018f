"""Requests to a bridge over relays, answered over relays (docs/protocol.md).

A request is one rumor, made once. It goes to every relay that was given, each time in a new wrap, until the bridge has
answered or the time is over: the bridge knows the rumor again and carries it out once. Only what the bridge itself
sealed counts as an answer; everything else that arrives for our key is left alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from client.clock import Clock
from client.connection import RelayConnection
from client.entropy import Entropy
from client.envelope import Reply, Response, parse_response, write_request
from client.errors import (
    BridgeRefusal,
    BridgeSilent,
    BridgeUnreachable,
    CallFailed,
    InvalidResponse,
    TooManyCalls,
)
from client.publications import Outcome, Verdict
from client.results import (
    Account,
    BridgeInfo,
    TurnCredentials,
    parse_account,
    parse_bridge_info,
    parse_turn_credentials,
)
from client.subscriptions import SubscriptionState
from client.wrapping import BACKDATE_SECONDS, wrap_rumor
from nips import kinds
from nips.errors import InvalidWrap
from nips.event import VerifiedEvent
from nips.filter import Filter
from nips.keys import PublicKey, SecretKey
from nips.nip59 import Rumor, make_rumor, open_wrap

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


@dataclass(slots=True, repr=False)
class _Call:
    request_id: str
    rumor: Rumor
    kind: int
    expires_at: int | None
    answer: asyncio.Future[Response | CallFailed]
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    def settle(self, answer: Response | CallFailed) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)


class BridgeClient:
    """A caller of one bridge, with one key."""

    def __init__(
        self,
        secret: SecretKey,
        bridge: PublicKey,
        connections: Sequence[RelayConnection],
        *,
        clock: Clock,
        entropy: Entropy,
        limits: BridgeLimits | None = None,
    ) -> None:
        """Listen on connections that somebody runs; relays that protect wraps want `secret` among their keys."""
        if not connections:
            raise ValueError("a bridge is asked over at least one relay")
        self._secret = secret
        self._bridge = bridge
        self._connections = tuple(connections)
        self._clock = clock
        self._entropy = entropy
        self._limits = limits or BridgeLimits()
        self._calls: dict[str, _Call] = {}
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
        reply: Reply = Reply.SAME,
        kind: int = kinds.EPHEMERAL_GIFT_WRAP,
        invite: str | None = None,
        timeout_seconds: float = 30.0,
    ) -> dict[str, Any]:
        """Ask for something and return the result; raise a `CallFailed`.

        `kind` 21059 is for a bridge that is there now, 1059 waits for it on the relay.
        """
        if len(self._calls) >= self._limits.max_calls:
            raise TooManyCalls(f"{self._limits.max_calls} requests wait for an answer")
        request_id = self._entropy.draw(16).hex()
        content = write_request(request_id, method, params or {}, expires_at=expires_at, reply=reply, invite=invite)
        rumor = make_rumor(
            self._secret.public_key,
            created_at=self._clock.now(),
            kind=kinds.BRIDGE_REQUEST,
            tags=[("p", self._bridge)],
            content=content,
        )
        call = _Call(request_id, rumor, kind, expires_at, asyncio.get_running_loop().create_future())
        self._calls[rumor.id] = call
        try:
            async with asyncio.TaskGroup() as tasks:
                asking = [tasks.create_task(self._keep_asking(connection, call)) for connection in self._connections]
                await asyncio.wait([call.answer], timeout=timeout_seconds)
                for task in asking:
                    task.cancel()
        finally:
            del self._calls[rumor.id]
        return _result_of(call, timeout_seconds)

    async def _keep_asking(self, connection: RelayConnection, call: _Call) -> None:
        patience = self._limits.retry_seconds
        while not call.answer.done():
            if not await self._is_connected(connection):
                continue
            verdict = await self._ask(connection, call)
            call.verdicts[connection.url] = verdict
            if verdict.outcome in (Outcome.REFUSED, Outcome.AUTH_REQUIRED):
                self._give_up_if_all_refused(call)
                return
            await asyncio.wait([call.answer], timeout=patience)
            patience *= 2

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
        wrap = wrap_rumor(
            call.rumor,
            self._secret,
            self._bridge,
            kind=call.kind,
            clock=self._clock,
            entropy=self._entropy,
            expires_at=call.expires_at,
        )
        return await connection.publish(wrap, timeout_seconds=self._limits.publish_seconds)

    def _give_up_if_all_refused(self, call: _Call) -> None:
        refused = [verdict.outcome in (Outcome.REFUSED, Outcome.AUTH_REQUIRED) for verdict in call.verdicts.values()]
        if len(refused) == len(self._connections) and all(refused):
            call.settle(BridgeUnreachable(call.verdicts))

    def _filters(self, now: int) -> list[Filter]:
        ours = {"p": frozenset({str(self._secret.public_key)})}
        stored, live = frozenset({kinds.GIFT_WRAP}), frozenset({kinds.EPHEMERAL_GIFT_WRAP})
        return [
            Filter(kinds=stored, tags=ours, since=now - BACKDATE_SECONDS - _SKEW_SECONDS),
            # No `since`: nobody stores these, and a clock that was wrong when we asked would shut live answers out.
            Filter(kinds=live, tags=ours),
        ]

    async def _take_wrap(self, wrap: VerifiedEvent) -> None:
        # Opening costs two decryptions and a signature; with nothing asked nothing is an answer.
        if not self._calls:
            return
        try:
            rumor = open_wrap(wrap, self._secret)
        except InvalidWrap:
            return
        if rumor.pubkey != self._bridge or rumor.kind != kinds.BRIDGE_RESPONSE:
            return
        call = self._calls.get(next((tag[1] for tag in rumor.tags if tag[0] == "e" and len(tag) > 1), ""))
        if call is None or not _is_for(rumor, self._secret.public_key):
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
        call.settle(response)


def _is_for(rumor: Rumor, key: PublicKey) -> bool:
    return all(tag[1:2] == (key,) for tag in rumor.tags if tag[0] == "p")


def _result_of(call: _Call, seconds: float) -> dict[str, Any]:
    if not call.answer.done():
        raise BridgeSilent(seconds, call.verdicts)
    answer = call.answer.result()
    if isinstance(answer, CallFailed):
        raise answer
    if answer.refusal is not None:
        raise BridgeRefusal(answer.refusal)
    return answer.result or {}

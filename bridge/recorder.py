"""Step 15 of protocol.md §1: one transaction for everything about an answer, then its delivery."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bridge.arrivals import Arrival
from bridge.callers import DAY, AccountCaller, Caller
from bridge.envelope import Reply
from bridge.outbox import Outbox
from bridge.replies import ReplyWriter, reply_kind
from bridge.responses import body_of, make_response, read_response
from client.clock import Clock
from nips.keys import PublicKey
from nips.nip59 import Rumor
from storage.interface import AlreadyKnown, Answer, Committed, KnownRequest, NoPermit, Permit, RequestKey, Requests


@dataclass(frozen=True, slots=True)
class Stored:
    """What makes an answer one that is kept: the request that it answers and who asked."""

    request: RequestKey
    caller: Caller


class Recorder:
    """Writes answers down and sends them off."""

    def __init__(
        self,
        *,
        bridge: PublicKey,
        wire_version: str,
        requests: Requests,
        replies: ReplyWriter,
        outbox: Outbox,
        clock: Clock,
        max_age_seconds: int,
    ) -> None:
        self._bridge = bridge
        self._wire_version = wire_version
        self._requests = requests
        self._replies = replies
        self._outbox = outbox
        self._clock = clock
        self._max_age_seconds = max_age_seconds

    async def record(
        self,
        arrival: Arrival,
        *,
        request_id: str | None,
        reply: Reply,
        body: Mapping[str, Any],
        stored: Stored | None = None,
        permit: Permit | None = None,
    ) -> Committed | NoPermit | AlreadyKnown:
        """Answer with a body; unless `stored`, the same rumor may be tried again."""
        response = make_response(
            self._bridge,
            arrival.rumor.pubkey,
            version=self._wire_version,
            request_rumor=arrival.rumor.id,
            request_id=request_id,
            body=body,
            now=self._clock.now(),
        )
        return await self._commit(arrival, response, reply, stored, permit)

    async def repeat(self, arrival: Arrival, *, request_id: str, reply: Reply, known: KnownRequest) -> None:
        """Send a known answer again: the same response rumor to the same rumor, a new one with the same body else.

        The new one keeps the first one's time, so that a repeat of this rumor too gets the same response rumor again.
        """
        response = read_response(known.response_json)
        if known.rumor_id != arrival.rumor.id:
            response = make_response(
                self._bridge,
                arrival.rumor.pubkey,
                version=self._wire_version,
                request_rumor=arrival.rumor.id,
                request_id=request_id,
                body=body_of(json.loads(response.content)),
                now=response.created_at,
            )
        await self._commit(arrival, response, reply, None, None)

    async def _commit(
        self, arrival: Arrival, response: Rumor, reply: Reply, stored: Stored | None, permit: Permit | None
    ) -> Committed | NoPermit | AlreadyKnown:
        arrival.seal()
        replies = await self._replies.write(
            response,
            arrival.rumor.pubkey,
            kind=reply_kind(arrival.wrap_kind, reply),
            links=arrival.links,
            received_at=arrival.received_at,
        )
        answer = Answer(
            wrap_ids=tuple(arrival.wrap_ids),
            replies=replies,
            request=stored.request if stored else None,
            response_json=response.to_json() if stored else "",
            # A rumor is refused as expired once it is older than this, so nobody can ask for the answer any more.
            forget_at=arrival.rumor.created_at + self._max_age_seconds + 1,
            # Charged as of now, not of when it was promised: of two times out of order the later would count as a clock
            # that stepped back, and the time between them would refill twice.
            permit=replace(permit, now_ms=self._clock.now_ms()) if permit else None,
            seen_device=self._newly_seen(stored),
            seen_day=self._today(),
        )
        recorded = await self._requests.commit(answer)
        if isinstance(recorded, Committed):
            arrival.is_recorded = True
            await self._outbox.send(replies, recorded.queued)
        return recorded

    def _newly_seen(self, stored: Stored | None) -> str | None:
        if stored is None or not isinstance(stored.caller, AccountCaller):
            return None
        device = stored.caller.device
        return device.device_id if device.last_seen_day < self._today() else None

    def _today(self) -> int:
        return self._clock.now() // DAY * DAY

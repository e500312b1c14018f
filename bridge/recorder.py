"""Step 15 of protocol.md §1: one transaction for everything about an answer, then its delivery."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bridge.arrivals import Arrival
from bridge.callers import DAY, AccountCaller, Caller
from bridge.envelope import Freshness
from bridge.outbox import Outbox
from bridge.replies import ReplyWriter
from bridge.responses import body_of, make_response, read_response
from client.clock import Clock
from client.envelope import Reply, reply_kind
from nips.keys import PublicKey
from nips.nip59 import Rumor
from storage.account_interface import Account, Acting, DeleteAccount, Device, Effect
from storage.interface import (
    Answer,
    Committed,
    KnownRequest,
    Permit,
    Recorded,
    RequestKey,
    Requests,
    SeenBefore,
)


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
        freshness: Freshness,
        seen_seconds: int,
    ) -> None:
        self._bridge = bridge
        self._wire_version = wire_version
        self._requests = requests
        self._replies = replies
        self._outbox = outbox
        self._clock = clock
        self._freshness = freshness
        self._seen_seconds = seen_seconds

    async def record(
        self,
        arrival: Arrival,
        *,
        request_id: str | None,
        reply: Reply,
        body: Mapping[str, Any],
        stored: Stored | None = None,
        permit: Permit | None = None,
        effect: Effect | None = None,
    ) -> Recorded:
        """Answer with a body; unless `stored`, the same rumor may be tried again. An effect comes with it or not."""
        response = make_response(
            self._bridge,
            arrival.rumor.pubkey,
            version=self._wire_version,
            request_rumor=arrival.rumor.id,
            request_id=request_id,
            body=body,
            now=self._clock.now(),
        )
        if isinstance(effect, DeleteAccount):
            # Its author's clock may be ahead of ours, and with it what they asked before.
            effect = replace(effect, until=max(effect.until, arrival.rumor.created_at))
        caller = stored.caller if stored else None
        acting = self._acting((caller.account, caller.device)) if isinstance(caller, AccountCaller) else None
        return await self._commit(arrival, response, reply, stored=stored, permit=permit, acting=acting, effect=effect)

    async def repeat(self, arrival: Arrival, *, request_id: str, reply: Reply, known: KnownRequest) -> Recorded:
        """Send a known answer again: the same response rumor to the same rumor, a new one with the same body else.

        The new one keeps the first one's time, so that a repeat of this rumor too gets the same response rumor again;
        and the first one is kept for as long as this rumor is fresh. Nothing is sent if its account was deleted just
        now (`Erased`), or the device that asks revoked (`CallerGone`).
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
        acting = self._acting(arrival.dossier.caller) if arrival.dossier and arrival.dossier.caller else None
        return await self._commit(arrival, response, reply, repeated=known.rumor_id, acting=acting)

    async def _commit(
        self,
        arrival: Arrival,
        response: Rumor,
        reply: Reply,
        *,
        stored: Stored | None = None,
        permit: Permit | None = None,
        acting: Acting | None = None,
        effect: Effect | None = None,
        repeated: str | None = None,
    ) -> Recorded:
        arrival.seal()
        replies = await self._replies.write(
            response,
            arrival.rumor.pubkey,
            kind=reply_kind(arrival.wrap_kind, reply),
            links=arrival.links,
            received_at=arrival.received_at,
            dossier=arrival.dossier,
            is_free=stored is None and permit is None,
        )
        # What can be delivered at once needs no row: should we crash in between, nobody was told OK, and the same wrap,
        # which is done with only when its answer was delivered, finds this one.
        is_prompt = self._outbox.can_deliver(replies) and arrival.hold()
        answer = Answer(
            wrap_ids=tuple(arrival.wrap_ids),
            seen_until=arrival.received_at + self._seen_seconds,
            takes_wraps=not is_prompt,
            replies=() if is_prompt else replies,
            request=stored.request if stored else None,
            response_json=response.to_json() if stored else "",
            forget_at=self._forget_at(arrival.rumor),
            repeated=repeated,
            # Charged as of now, not of when it was promised: of two times out of order the later would count as a clock
            # that stepped back, and the time between them would refill twice.
            permit=replace(permit, now_ms=self._clock.now_ms()) if permit else None,
            acting=acting,
            effect=effect,
        )
        with self._outbox.storing(replies):
            recorded = await self._requests.commit(answer)
            if isinstance(recorded, Committed):
                arrival.is_recorded = True
                # Before anybody is told that they are gone, and after whoever told us to let itself go was answered.
                self._outbox.forget(recorded.gone, answering=arrival.rumor.pubkey)
                if is_prompt:
                    await self._outbox.send_now(replies, response, wraps=answer.wrap_ids, seen_until=answer.seen_until)
                else:
                    await self._outbox.send(replies, recorded.queued, response)
                self._outbox.dismiss(recorded.gone)
        arrival.was_seen = isinstance(recorded, SeenBefore)
        return recorded

    def _forget_at(self, rumor: Rumor) -> int:
        # Another rumor may ask the same later. Until now that can be any that is not refused for its time, so the
        # newest there can be has to have expired; and one that comes while this is known puts it off again.
        newest = max(self._clock.now(), rumor.created_at) + self._freshness.max_future_seconds
        return newest + self._freshness.max_age_seconds + 1

    def _acting(self, asking: tuple[Account, Device]) -> Acting:
        account, device = asking
        today = self._clock.now() // DAY * DAY
        return Acting(account.number, device.device_id, today if device.last_seen_day < today else None)

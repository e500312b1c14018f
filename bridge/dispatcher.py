"""The way of a request from its rumor to its answer: steps 7 to 15 of protocol.md §1. First refusal wins."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.arrivals import Arrival, Arrivals
from bridge.callers import AccountCaller, Caller, Door
from bridge.charges import MALFORMED_LIMITER, Charges
from bridge.envelope import Content, Freshness, Request, check_freshness, read_content, read_request
from bridge.errors import (
    EFFECT_REFUSALS,
    Conflict,
    Expired,
    Internal,
    InvalidRequest,
    MalformedRequest,
    PowRequired,
    ProviderFailed,
    RateLimited,
    Refusal,
    SealingFailed,
    Unauthorized,
    Unavailable,
    UnknownMethod,
    code_of,
)
from bridge.events import Events
from bridge.logs import where
from bridge.newcomers import Offer
from bridge.permits import AccountPermits, FreeLimits, StrangerLimits
from bridge.recorder import Recorder, Stored
from bridge.responses import error_body, result_body
from bridge.services.service import Fact, Service
from bridge.tallies import OK, REPEATED, SILENCE
from client.clock import Clock
from client.envelope import reply_kind
from nips.kinds import GIFT_WRAP
from protocol.catalogue import Catalogue, Method
from protocol.validation import Invalid, validate_params
from storage.account_interface import Effect, EffectRefusal, Standing
from storage.errors import DamagedValue, StorageBusy, StorageFailed
from storage.interface import (
    AlreadyKnown,
    CallerGone,
    Dossier,
    EffectRefused,
    Erased,
    KnownRequest,
    NoPermit,
    Permit,
    Recorded,
    RequestKey,
    SeenBefore,
    Storage,
)

log = logging.getLogger(__name__)


MAX_ATTEMPTS = 3
"""How often a request is acted on, while others change what its answer was formed from."""

CROWDED_MS = 1000
"""After which somebody may try again who has too many requests waiting."""

_ERASED = "went with its account"
_REVOKED = "revoked or deleted meanwhile"

REGISTRATION = "device.register"

REVOCATION = "device.revoke"
"""The one method whose answer a revoked device may be told again, since it may have revoked itself."""

REFUSAL_EVENTS: Mapping[tuple[str, type[Refusal]], str] = {
    ("turn.get_credentials", RateLimited): "call_relay.rate_limited",
    ("turn.get_credentials", ProviderFailed): "call_relay.provider_error",
}
"""Refusals that operators want to count, by method (protocol.md §5)."""


@dataclass(frozen=True, slots=True)
class DispatchRules:
    """Figures of the way of a request."""

    freshness: Freshness
    max_content_bytes: int
    deadline_seconds: float
    """A service that takes longer has failed."""


@dataclass(frozen=True, slots=True)
class _Done:
    """What acting on a request came to."""

    body: Mapping[str, Any]
    outcome: str
    facts: Sequence[Fact] = ()
    effect: Effect | None = None


class _Copied(Exception):
    """A wrap came again that was done with: whoever copied it has not used anything up for its author."""


class Dispatcher:
    """Answers requests."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        services: Mapping[str, Service],
        storage: Storage,
        door: Door,
        permits: AccountPermits,
        strangers: StrangerLimits,
        free: FreeLimits,
        recorder: Recorder,
        events: Events,
        clock: Clock,
        rules: DispatchRules,
    ) -> None:
        self._catalogue = catalogue
        self._services = services
        self._storage = storage
        self._door = door
        self._charges = Charges(
            door=door, balances=storage.permits, permits=permits, strangers=strangers, free=free, clock=clock
        )
        self._recorder = recorder
        self._events = events
        self._clock = clock
        self._rules = rules
        self._arrivals = Arrivals()

    @property
    def arrivals(self) -> Arrivals:
        """What is being answered right now."""
        return self._arrivals

    async def answer(self, arrival: Arrival) -> None:
        """Answer one request rumor, or drop it in silence; an error that `is_passing` leaves it in the inbox.

        A fault of ours is answered like everything else, so that no request can stay in the inbox for ever. Silence is
        for whoever has had too many answers that take no permit (see `FreeLimits`), or was told too often that a
        request is malformed: it is the one reply that nobody can be made to pay for.
        """
        content = read_content(arrival.rumor, max_bytes=self._rules.max_content_bytes)
        try:
            await self._answer(arrival, content)
        except Exception as error:
            # The one place that catches broadly. The error's own text may quote a request, so it stays out of the log.
            if is_passing(error):
                raise
            log.error("request failed", extra={"facts": {"wrap": arrival.wrap_ids[0].wrap_id[:8], **where(error)}})
            if not arrival.is_recorded:
                await self._refuse(arrival, content, Internal(type(error).__name__), None)

    async def _answer(self, arrival: Arrival, content: Content) -> None:
        try:
            check_freshness(arrival.rumor, content, self._rules.freshness, self._clock.now())
        except Refusal as refusal:
            await self._refuse(arrival, content, refusal, None)
            return
        try:
            request = read_request(content)
        except MalformedRequest as refusal:
            await self._refuse_malformed(arrival, content, refusal)
        else:
            await self._answer_request(arrival, content, request)

    async def _answer_request(self, arrival: Arrival, content: Content, request: Request) -> None:
        rumor, arrival.method = arrival.rumor, request.method
        # Two devices of an account that use one id at the same time are told apart by the commit.
        async with self._arrivals.alone(rumor.pubkey, request.id):
            dossier = arrival.dossier = await self._storage.requests.look_up(
                asker=rumor.pubkey,
                request_id=request.id,
                rumor_id=rumor.id,
                with_inboxes=reply_kind(arrival.wrap_kind, request.reply) == GIFT_WRAP,
            )
            if dossier.caller:
                arrival.on_account()
            if dossier.is_erased or (dossier.known is None and rumor.created_at <= dossier.erased_until):
                await self._refuse(arrival, content, Expired(_ERASED), None)
                return
            found = _repeatable(dossier, request) or await self._answer_new(arrival, content, request, dossier)
            if found is None:
                return
            if found.rumor_id != arrival.rumor.id and found.digest != request.digest:
                await self._refuse(arrival, content, Conflict("id used before"), None)
            else:
                await self._repeat(arrival, request, found)

    async def _answer_new(
        self, arrival: Arrival, content: Content, request: Request, dossier: Dossier
    ) -> KnownRequest | None:
        """Answer a request that nobody answered yet; return the answer if somebody else was faster."""
        known = AccountCaller(*dossier.caller) if dossier.caller else None
        scope = known.account.pubkey if known else arrival.rumor.pubkey
        key = RequestKey(scope, request.id, arrival.rumor.id, request.digest)
        service = self._services.get(request.method)
        method = self._catalogue.method(request.method) if service else None
        try:
            if service is None or method is None:
                raise UnknownMethod("no such method")
            offer = Offer(
                request.invite,
                arrival.work_bits,
                is_registration=_registers_itself(request, arrival),
                on_paid=arrival.on_account,
            )
            caller = await self._door.admit(arrival.rumor.pubkey, dossier, method, offer)
            if isinstance(caller, AccountCaller):
                arrival.is_admitted = True
                arrival.on_account()
            if arrival.is_crowded:
                raise RateLimited(method.limiter, CROWDED_MS)
            with self._charges.call(arrival, method, caller, dossier) as permit:
                done, recorded = await self._act_and_record(
                    arrival, request, service, method, Stored(key, caller), permit
                )
            _require_recorded(recorded, method)
        except Refusal as refusal:
            if await self._refuse(arrival, content, refusal, method):
                self._note_refusal(refusal, method, key.scope)
            return None
        if isinstance(recorded, AlreadyKnown):
            return recorded.known
        arrival.outcome = done.outcome
        if isinstance(recorded, SeenBefore):
            return None
        for fact in done.facts:
            self._events.emit(fact.name, account=key.scope, **fact.payload)
        return None

    async def _act_and_record(
        self,
        arrival: Arrival,
        request: Request,
        service: Service,
        method: Method,
        stored: Stored,
        permit: Permit | None,
    ) -> tuple[_Done, Recorded]:
        """Act and record the answer together with what it changes; where that cannot be, answer with why."""
        done = await self._act(service, method, request, stored.caller)
        recorded = await self._record(arrival, request, done, stored, permit)
        for _ in range(MAX_ATTEMPTS - 1):
            if recorded != EffectRefused(EffectRefusal.CHANGED):
                break
            done = await self._act(service, method, request, stored.caller)
            recorded = await self._record(arrival, request, done, stored, permit)
        if isinstance(recorded, EffectRefused):
            refusal = EFFECT_REFUSALS.get(recorded.reason, Unavailable)(recorded.reason)
            code = code_of(refusal, method)
            if self._catalogue.refusal(code).retry:
                raise refusal
            done = _Done(error_body(refusal, self._catalogue, method), code)
            recorded = await self._record(arrival, request, done, stored, permit)
        return done, recorded

    async def _record(
        self, arrival: Arrival, request: Request, done: _Done, stored: Stored, permit: Permit | None
    ) -> Recorded:
        return await self._recorder.record(
            arrival,
            request_id=request.id,
            reply=request.reply,
            body=done.body,
            stored=stored,
            permit=permit,
            effect=done.effect,
        )

    async def _act(self, service: Service, method: Method, request: Request, caller: Caller) -> _Done:
        """Check params and run the service; what may be tried again is raised, what is final is the answer."""
        try:
            try:
                validate_params(method.name, request.params)
            except Invalid as invalid:
                raise InvalidRequest(invalid.field) from None
            async with asyncio.timeout(self._rules.deadline_seconds):
                outcome = await service(request.params, caller)
        except Refusal as refusal:
            code = code_of(refusal, method)
            # What step 11 refuses is not kept, though a newcomer may meet it only here.
            if self._catalogue.refusal(code).retry or isinstance(refusal, Unauthorized | PowRequired):
                raise
            return _Done(error_body(refusal, self._catalogue, method), code)
        except TimeoutError:
            raise Unavailable("deadline passed") from None
        return _Done(result_body(outcome.result), OK, outcome.facts, outcome.effect)

    async def _repeat(self, arrival: Arrival, request: Request, known: KnownRequest) -> None:
        arrival.outcome = REPEATED

        async def answer() -> None:
            recorded = await self._recorder.repeat(arrival, request_id=request.id, reply=request.reply, known=known)
            if isinstance(recorded, Erased | CallerGone):
                refusal = Expired(_ERASED) if isinstance(recorded, Erased) else Unauthorized(_REVOKED)
                body = error_body(refusal, self._catalogue, self._catalogue.method(request.method))
                await self._recorder.record(arrival, request_id=request.id, reply=request.reply, body=body)

        await self._answer_free(arrival, answer)

    async def _refuse(self, arrival: Arrival, content: Content, refusal: Refusal, method: Method | None) -> bool:
        """Answer with an error that is not kept; tell whether it was answered at all."""
        arrival.outcome = refusal.outcome or code_of(refusal, method)

        async def answer() -> None:
            body = error_body(refusal, self._catalogue, method)
            await self._recorder.record(arrival, request_id=content.request_id, reply=content.reply, body=body)

        return await self._answer_free(arrival, answer)

    async def _answer_free(self, arrival: Arrival, answer: Callable[[], Awaitable[None]]) -> bool:
        """Answer without a permit as long as the sender, and all senders together, may; then be silent."""
        try:
            with await self._charges.free(arrival):
                await answer()
                if arrival.was_seen:
                    raise _Copied
        except RateLimited as limited:
            await self._drop(arrival, limited.limiter)
            return False
        except _Copied:
            return False
        return True

    async def _drop(self, arrival: Arrival, limiter: str) -> None:
        arrival.seal()
        arrival.outcome = SILENCE
        facts = {"wrap": arrival.wrap_ids[0].wrap_id[:8], "limiter": limiter}
        log.debug("request met with silence", extra={"facts": facts})
        arrival.was_seen = not await self._storage.inbox.drop(arrival.wrap_ids)

    async def _refuse_malformed(self, arrival: Arrival, content: Content, refusal: MalformedRequest) -> None:
        """Answer as long as the sender has permits for it, then be silent."""
        arrival.outcome = code_of(refusal, None)
        body = error_body(refusal, self._catalogue, None)
        try:
            async with self._charges.malformed(arrival) as permit:
                recorded = await self._recorder.record(
                    arrival, request_id=content.request_id, reply=content.reply, body=body, permit=permit
                )
            is_silenced = isinstance(recorded, NoPermit)
        except RateLimited:
            is_silenced = True
        if is_silenced:
            await self._drop(arrival, MALFORMED_LIMITER)

    def _note_refusal(self, refusal: Refusal, method: Method | None, account: str) -> None:
        event = REFUSAL_EVENTS.get((method.name, type(refusal))) if method else None
        if event is not None:
            self._events.emit(event, account=account, **refusal.payload)


def _registers_itself(request: Request, arrival: Arrival) -> bool:
    """Tell whether a request is for the registration of the key that asks; its params are not looked at yet."""
    return request.method == REGISTRATION and request.params.get("device_pubkey") == arrival.rumor.pubkey


def _repeatable(dossier: Dossier, request: Request) -> KnownRequest | None:
    """Return the answer that is known, unless its asker was revoked since: what it missed it does not get any more."""
    is_revoked = dossier.standing is Standing.REVOKED and request.method != REVOCATION
    return None if is_revoked else dossier.known


def _require_recorded(recorded: Recorded, method: Method) -> None:
    """Refuse a request of which nothing was recorded, for what happened while it was worked on."""
    match recorded:
        case NoPermit():
            raise RateLimited(method.limiter, recorded.wait_ms)
        case CallerGone():
            raise Unauthorized(_REVOKED)
        case Erased():
            raise Expired(_ERASED)


def is_passing(error: Exception) -> bool:
    """Tell whether the storage or the sealing as a whole is in trouble, so that the same thing may well work later."""
    return isinstance(error, StorageBusy | StorageFailed | SealingFailed) and not isinstance(error, DamagedValue)

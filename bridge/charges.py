"""Which limit an answer counts in: those of an account, or those that all without an account share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager

from bridge.arrivals import Arrival
from bridge.callers import AccountCaller, Caller, Door
from bridge.permits import AccountPermits, FreeLimits, StrangerLimits
from client.clock import Clock
from protocol.catalogue import Method
from storage.interface import Dossier, Permit, Permits

MALFORMED_LIMITER = "invalid"


class Charges:
    """Takes permits for answers; each raises `RateLimited` where there is none."""

    def __init__(
        self,
        *,
        door: Door,
        balances: Permits,
        permits: AccountPermits,
        strangers: StrangerLimits,
        free: FreeLimits,
        clock: Clock,
    ) -> None:
        self._door = door
        self._balances = balances
        self._permits = permits
        self._strangers = strangers
        self._free = free
        self._clock = clock

    @contextmanager
    def call(self, arrival: Arrival, method: Method, caller: Caller, dossier: Dossier) -> Iterator[Permit | None]:
        """Take the permit for a call, to be charged with its answer if it is an account's."""
        if isinstance(caller, AccountCaller):
            with self._permits.promise(method.limiter, caller.account.number, dossier.balances) as permit:
                yield permit
        else:
            with self._strangers.call(
                caller.pubkey, self._clock.now_ms(), source=arrival.source, work_bits=arrival.work_bits
            ):
                yield None

    async def free(self, arrival: Arrival) -> AbstractContextManager[None]:
        """Return what takes the permit for an answer that nobody pays for, a refusal or a repeat."""
        key, now_ms = arrival.rumor.pubkey, self._clock.now_ms()
        if arrival.dossier:
            account = arrival.dossier.caller[0] if arrival.dossier.caller else None
        else:
            known = await self._door.known(key)
            account = known.account if known else None
        if account:
            return self._free.answer(account.number, now_ms)
        return self._strangers.refusal(key, now_ms, source=arrival.source, work_bits=arrival.work_bits)

    @asynccontextmanager
    async def malformed(self, arrival: Arrival) -> AsyncIterator[Permit | None]:
        """Take the permit for telling that a request is malformed."""
        key = arrival.rumor.pubkey
        if known := await self._door.known(key):
            balances = await self._balances.balances(known.account.number)
            with self._permits.promise(MALFORMED_LIMITER, known.account.number, balances) as permit:
                yield permit
        else:
            with self._strangers.malformed(
                key, self._clock.now_ms(), source=arrival.source, work_bits=arrival.work_bits
            ):
                yield None

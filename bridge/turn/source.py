"""One provider at work: how it is asked, how often again, and when it is left alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.errors import ProviderFailed
from bridge.turn.breaker import Breaker, BreakerRules
from bridge.turn.gate import NOBODY, Gate, GateFull, GateRules
from bridge.turn.pool import Moment, Pool, PoolRules
from bridge.turn.provider import TurnCredentials, TurnProvider
from client.backoff import Backoff, BackoffLimits
from client.clock import Clock
from client.entropy import Entropy

log = logging.getLogger(__name__)

_FINENESS = 2**20

_NO_ACCOUNT = "0" * 32
"""User part that no account has, for those that would refuse one of another form."""
_REFILL_BACKOFF = BackoffLimits(first_seconds=1, cap_seconds=60)


class LeftAlone(Exception):
    """A provider was not asked: too much of late failed, or too many wait already."""


@dataclass(frozen=True, slots=True)
class SourceRules:
    """What one provider is given."""

    provider_seconds: float = 4
    """Time for one call, all attempts together, once it has a place."""
    attempts: int = 2
    retry_seconds: float = 0.25
    """Longest wait before the second attempt; it doubles with each further one."""
    gate: GateRules = field(default_factory=GateRules)
    breaker: BreakerRules = field(default_factory=BreakerRules)
    pool: PoolRules = field(default_factory=PoolRules)
    is_computed: bool = False
    """It waits for nobody. Timers for what takes microseconds would cost more than the credentials do."""


class Source:
    """A provider with its breaker, its gate and its pool."""

    def __init__(
        self,
        provider: TurnProvider,
        rules: SourceRules,
        *,
        clock: Clock,
        entropy: Entropy,
        on_change: Callable[[], None],
    ) -> None:
        self.provider = provider
        self.problem: str | None = None
        """Why it is left alone, while it is."""
        self.trouble: str | None = None
        """Why the latest call failed, if it did."""
        self._rules = rules
        self._clock = clock
        self._entropy = entropy
        self._on_change = on_change
        self._breaker = Breaker(rules.breaker)
        self._gate = Gate(rules.gate)
        self._pool = Pool(rules.pool)
        self._refilling = 0
        self._backoff = Backoff(_REFILL_BACKOFF)
        self._refill_at = 0.0
        self._is_probing = False
        self._probe_at = clock.monotonic() + rules.breaker.open_seconds

    def adopt(self, rules: SourceRules) -> None:
        """Work by other rules from the next call on."""
        if rules.pool != self._rules.pool:
            self._refill_at = 0.0
        self._rules = rules
        self._breaker.adopt(rules.breaker)
        self._gate.adopt(rules.gate)
        self._pool.adopt(rules.pool)

    def pooled(self) -> TurnCredentials | None:
        """Return credentials that were fetched ahead, if there are any."""
        return self._pool.take(self._moment()) if self._rules.pool.size else None

    async def credentials(self, *, user: str, now: int, until: float) -> TurnCredentials:
        """Ask the provider, within its own time and until a time of the loop.

        Waiting for a place comes before that time, and takes no longer. Raise `ProviderFailed`, or `LeftAlone` when it
        was not asked.
        """
        if self._rules.is_computed:
            return await self._call(user, now, None)
        loop, seconds = asyncio.get_running_loop(), self._rules.provider_seconds
        if not self._breaker.may_ask(self._clock.monotonic()):
            raise LeftAlone
        try:
            async with asyncio.timeout_at(min(loop.time() + seconds, until)):
                await self._gate.enter(user)
        except (TimeoutError, GateFull):
            raise LeftAlone from None
        try:
            full = loop.time() + seconds
            return await self._call(user, now, min(full, until), has_full_time=full <= until)
        finally:
            self._gate.leave(user)

    async def _call(self, user: str, now: int, until: float | None, *, has_full_time: bool = True) -> TurnCredentials:
        ticket = self._breaker.ask(self._clock.monotonic())
        if ticket is None:
            raise LeftAlone
        try:
            async with asyncio.timeout_at(until):
                credentials = await self._attempts(user, now)
        except TimeoutError:
            late = ProviderFailed(None, "no answer in time")
            if has_full_time:
                self._note_failure(ticket, late)
            else:
                self._breaker.gave_up(ticket)
                self._note_trouble(late)
            raise late from None
        except ProviderFailed as failed:
            self._note_failure(ticket, failed)
            raise
        except Exception as error:
            self._note_failure(ticket, ProviderFailed(None, f"a fault of ours, {type(error).__name__}"))
            raise
        except BaseException:
            self._breaker.gave_up(ticket)
            raise
        self._breaker.succeeded(ticket)
        if self.trouble is not None or self.problem is not None:
            self.trouble = None
            self.problem = None if self._breaker.is_closed else self.problem
            self._on_change()
        return credentials

    async def _attempts(self, user: str, now: int) -> TurnCredentials:
        for attempt in range(1, self._rules.attempts):
            try:
                return await self.provider.credentials(user=user, now=now)
            except ProviderFailed as failed:
                if not failed.may_pass:
                    raise
            await asyncio.sleep(self._fraction() * self._rules.retry_seconds * 2 ** (attempt - 1))
        return await self.provider.credentials(user=user, now=now)

    def _note_failure(self, ticket: int, failed: ProviderFailed) -> None:
        facts = {"provider": self.provider.name, "http_status": failed.http_status, "reason": str(failed)}
        log.warning("no TURN credentials", extra={"facts": facts})
        self._breaker.failed(ticket, self._clock.monotonic())
        if not self._breaker.is_closed:
            self.problem = str(failed)
        self._note_trouble(failed)

    def _note_trouble(self, failed: ProviderFailed) -> None:
        self.trouble = str(failed)
        self._probe_at = self._clock.monotonic() + self._rules.breaker.open_seconds
        self._on_change()

    # --- asking for nobody, to know how it is when nobody asks

    def seconds_to_probe(self) -> float | None:
        """Return how long it need not be asked for nobody; None while it works, or is being asked so.

        One that waits for nobody costs nothing to ask, so it is asked while it works as well.
        """
        is_doubtful = self.trouble is not None or self.problem is not None or self._rules.is_computed
        if self._is_probing or not is_doubtful:
            return None
        return max(0.0, self._probe_at - self._clock.monotonic())

    def begin_probe(self) -> None:
        """Count it as being asked for nobody; `probe` has to follow."""
        self._is_probing = True

    async def probe(self) -> None:
        """Ask for nobody, and forget what it gives: only whether it gives counts."""
        until = asyncio.get_running_loop().time() + self._rules.provider_seconds
        try:
            user = _NO_ACCOUNT if self._rules.is_computed else NOBODY
            await self.credentials(user=user, now=self._clock.now(), until=until)
        except (ProviderFailed, LeftAlone):
            pass  # noted where it happened
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end the bridge, nor go unseen
            log.error("asking a provider for nobody failed", extra={"facts": {"error": type(error).__name__}})
        finally:
            self._is_probing = False
            self._probe_at = self._clock.monotonic() + self._rules.breaker.open_seconds

    # --- the pool

    @property
    def has_stock(self) -> bool:
        """Tell whether there is something that was fetched ahead."""
        pool = self._rules.pool
        return bool(pool.size) and self._pool.missing(self._moment()) < pool.size

    def refills_due(self) -> int:
        """Return how many credentials should be fetched ahead now, and count them as being fetched."""
        if not self._rules.pool.size or self._clock.monotonic() < self._refill_at:
            return 0
        wanted = self._pool.missing(self._moment()) - self._refilling
        due = max(0, min(wanted, self._rules.pool.max_concurrent - self._refilling))
        self._refilling += due
        return due

    async def refill(self) -> None:
        """Fetch credentials ahead; after a failure it is not tried again for a while."""
        since = self._moment()
        # Enough to wait for a place and then to have the whole time, so that hanging counts here too.
        until = asyncio.get_running_loop().time() + 3 * self._rules.provider_seconds
        try:
            # Fetched for nobody: those who make such credentials are never told for whom.
            credentials = await self.credentials(user=NOBODY, now=since.now, until=until)
            is_kept = self._pool.add(credentials, since)
            is_good = True
        except (ProviderFailed, LeftAlone):
            is_good = is_kept = False
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end the bridge, nor go unseen
            log.error("filling the pool failed", extra={"facts": {"error": type(error).__name__}})
            is_good = is_kept = False
        finally:
            self._refilling -= 1
        if is_good:
            self._backoff.failures = 0
            if not is_kept:
                self._pause_pool()
        else:
            wait = self._backoff.next_delay(open_seconds=0, fraction=self._fraction())
            self._refill_at = self._clock.monotonic() + wait

    def _pause_pool(self) -> None:
        """Fetch nothing ahead for as long as it would have been kept, and say so: each may cost money."""
        now = self._clock.monotonic()
        is_said, self._refill_at = self._refill_at > now, now + self._rules.pool.max_age_seconds
        if is_said:
            return
        reason = "its credentials do not outlive turn.ttl_seconds for long enough: lower it, or set turn.pool.size to 0"
        log.warning("no credentials ahead", extra={"facts": {"provider": self.provider.name, "reason": reason}})

    def seconds_to_refill(self) -> float | None:
        """Return how long the pool needs nothing unless somebody takes from it; None for ever."""
        if not self._rules.pool.size:
            return None
        moment = self._moment()
        waits = (self._refill_at - moment.monotonic, self._pool.seconds_left(moment))
        return min((wait for wait in waits if wait is not None and wait > 0), default=None)

    def _moment(self) -> Moment:
        return Moment(self._clock.now(), self._clock.monotonic())

    def _fraction(self) -> float:
        return self._entropy.below(_FINENESS) / _FINENESS

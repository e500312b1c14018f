"""Keeps one coturn running: starts it, watches it, replaces it, ends it.

Credentials are computed, so they are handed out while coturn is away for a moment: it is back before they are used.
Only when it stays away does this provider fail, and the next one of the chain takes over.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace

from bridge.conditions import Conditions
from bridge.errors import ProviderFailed
from bridge.turn.coturn import coturn_password, coturn_username
from bridge.turn.managed.certificate import CertificateWatch
from bridge.turn.managed.child import Child
from bridge.turn.managed.configuration import Plan
from bridge.turn.managed.discovery import Discovery
from bridge.turn.managed.orphan import end_orphan
from bridge.turn.managed.reach import free_port, route_addresses, trouble_with
from bridge.turn.managed.remarks import Remarks
from bridge.turn.managed.rules import ManagedRules, placed, stun_urls, turn_urls
from bridge.turn.managed.secret import TurnSecretKeeper, TurnSecrets
from bridge.turn.provider import TurnCredentials
from client.backoff import Backoff, BackoffLimits
from client.clock import Clock
from client.entropy import Entropy
from storage.errors import StorageError

log = logging.getLogger(__name__)

NAME = "managed"
CONDITION = "coturn"
ADDRESS = "coturn.address"
"""Condition while the address outside cannot be found: what was found before counts."""

CERTIFICATE = "coturn.certificate"
"""Condition of its own: without TLS coturn still serves most."""

START_SECONDS = 10.0
"""Time that coturn has to answer for the first time."""

ANSWER_SECONDS = 1.0
MISSES = 3
"""So many questions without an answer in that time, and it counts as hung."""

PATIENCE_SECONDS = 30.0
"""Credentials are handed out for so long although it does not answer."""

DISCOVER_SECONDS = 300.0
"""Between questions about our address: that of a home changes every day."""

RESTART = BackoffLimits(first_seconds=0.5, cap_seconds=60, lived_seconds=2 * START_SECONDS)
"""One that never answers is given up after half of what counts as having lived."""
_EAGERNESS = 1024
"""Delays are spread over so many steps of their upper half."""


class ManagedCoturn:
    """A coturn of our own, as a provider of credentials."""

    name = NAME

    def __init__(
        self,
        rules: ManagedRules | None,
        *,
        keeper: TurnSecretKeeper,
        conditions: Conditions,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        """Plan it; None: no coturn is wanted for now."""
        self._rules = rules
        self._keeper = keeper
        self._discovery = Discovery(entropy)
        self._conditions = conditions
        self._clock = clock
        self._entropy = entropy
        self._stirred = asyncio.Event()
        """Other rules were adopted, or the child has ended."""
        self._settled = asyncio.Event()
        self._secrets: TurnSecrets | None = None
        self._plan: Plan | None = None
        """As it answered last."""
        self._away_since: float | None = None
        self._any_port: int | None = None
        """The one that was taken where the settings leave it open."""

    def __repr__(self) -> str:
        return "ManagedCoturn(hidden)"

    @property
    def is_wanted(self) -> bool:
        """Tell whether one is to run at all."""
        return self._rules is not None

    @property
    def plan(self) -> Plan | None:
        """How it runs, or is about to run again; None before it has answered."""
        return self._plan if self._rules is not None else None

    def adopt(self, rules: ManagedRules | None) -> None:
        """Go on under other rules; coturn starts anew, and calls through it end, only if it is to run otherwise."""
        before, self._rules = self._rules, rules
        if _course(before) != _course(rules):
            self._stirred.set()

    async def credentials(self, *, user: str, now: int) -> TurnCredentials:
        """Return credentials that our coturn lets in; raise `ProviderFailed` when it is away for long."""
        rules, plan, secrets = self._rules, self.plan, self._secrets
        is_away = self._away_since is not None and self._clock.monotonic() - self._away_since > PATIENCE_SECONDS
        if rules is None or plan is None or secrets is None or is_away:
            raise ProviderFailed(None, "the managed coturn does not answer")
        valid_seconds = rules.ages.valid_seconds
        username = coturn_username(user, now + valid_seconds)
        password = coturn_password(secrets.signing.encode(), username)
        is_without_tls = plan.certificate is None and rules.plan.certificate is not None
        urls = tuple(url for url in rules.urls if not (is_without_tls and url.startswith("turns:")))
        return TurnCredentials(username, password, urls or turn_urls(plan), valid_seconds, stun_urls(plan))

    async def settled(self) -> None:
        """Wait until it answers, or the first attempt to have it so has failed."""
        await self._settled.wait()

    async def run(self) -> None:
        """Keep coturn running until cancelled, and end it then."""
        backoff, rules = Backoff(RESTART), self._rules
        while True:
            self._stirred.clear()
            if rules is not self._rules:
                rules = self._rules
                backoff.failures = 0  # they failed under others
            if rules is None:
                self._conditions.set(CONDITION, None)
                self._conditions.set(CERTIFICATE, None)
                self._conditions.set(ADDRESS, None)
                self._settled.set()
                await self._stirred.wait()
                continue
            started = self._clock.monotonic()
            try:
                problem = await self._attempt(rules)
            except (OSError, StorageError) as error:
                problem = f"coturn cannot be started: {error}"
            if problem is not None:
                fraction = (1 + self._entropy.below(_EAGERNESS) / _EAGERNESS) / 2
                lived = self._clock.monotonic() - started
                await self._pause(rules, problem, backoff.next_delay(open_seconds=lived, fraction=fraction))

    async def _pause(self, rules: ManagedRules, problem: str, delay: float) -> None:
        if self._away_since is None:
            self._away_since = self._clock.monotonic()
        self._conditions.set(CONDITION, problem)
        self._settled.set()
        log.error("coturn is away", extra={"facts": {"reason": problem, "retry_in_seconds": round(delay, 1)}})
        # The end of the child has stirred as well, and is no reason to hurry; other rules are.
        self._stirred.clear()
        if self._rules is rules:
            await self._is_stirred(delay)

    async def _attempt(self, rules: ManagedRules) -> str | None:
        """Run coturn once; return why it no longer runs, or None when it is to run otherwise."""
        plan = await self._place(rules)
        certificate = CertificateWatch(plan.certificate) if plan.certificate else None
        if certificate is not None and not certificate.is_usable:
            # coturn would start with it, and end every TLS handshake.
            plan = replace(plan, certificate=None)
        self._conditions.set(CERTIFICATE, certificate.problem(self._clock.now()) if certificate else None)
        await end_orphan(plan)
        trouble = trouble_with(plan)
        if trouble is not None:
            return trouble
        secrets = await self._keeper.current(rules.ages)
        child = await Child.start(rules.program, plan, secrets.accepted)
        remarks = Remarks(self._clock)
        try:
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(self._read(child, remarks))
                problem = await self._came_up(child, reading)
                if problem is None and not self._stirred.is_set():
                    self._up(plan, secrets)
                    remarks.is_up = True
                    log.info("coturn answers", extra={"facts": {"process": child.pid, "port": plan.port}})
                    problem = await self._watch(child, plan, reading, certificate)
                status = await child.end(is_hung=problem is not None)
        finally:
            await child.end()
        if problem is None:
            return None
        said = f", after it said: {' | '.join(remarks.last)}" if remarks.last else ""
        return f"turnserver {problem} (status {status}{said})"

    async def _read(self, child: Child, remarks: Remarks) -> None:
        await child.read(remarks.feed)
        self._stirred.set()

    async def _came_up(self, child: Child, reading: asyncio.Task[None]) -> str | None:
        deadline = self._clock.monotonic() + START_SECONDS
        while not await child.answers(seconds=ANSWER_SECONDS, entropy=self._entropy):
            # While nobody listens the refusal comes at once, so there is a breath between two questions.
            if await self._is_stirred(0.02):
                return "ended at its start" if reading.done() else None
            if self._clock.monotonic() > deadline:
                return "does not answer"
        return None

    def _up(self, plan: Plan, secrets: TurnSecrets) -> None:
        self._plan, self._secrets = plan, secrets
        self._answered()
        self._settled.set()

    def _answered(self) -> None:
        self._away_since = None
        self._conditions.set(CONDITION, None)

    async def _watch(
        self, child: Child, plan: Plan, reading: asyncio.Task[None], certificate: CertificateWatch | None
    ) -> str | None:
        """Return what is wrong with it when something is; None when it is to run otherwise."""
        asked_at, missed = self._clock.monotonic(), 0
        while (rules := self._rules) is not None and not await self._is_stirred(rules.probe_seconds):
            if await child.answers(seconds=ANSWER_SECONDS, entropy=self._entropy):
                missed = 0
                self._answered()
            else:
                missed += 1
            if missed == MISSES:
                return "does not answer any more"
            if certificate is not None and self._is_renewed(certificate):
                if plan.certificate is None:
                    log.warning("there is a certificate now, coturn starts anew")
                    return None
                child.read_certificate_again()
                log.info("coturn reads its new certificate")
            if self._clock.monotonic() - asked_at >= DISCOVER_SECONDS:
                asked_at = self._clock.monotonic()
                found = replace(await self._place(rules), certificate=plan.certificate)
                # Calls within reach go on while there is no route for a moment.
                if found.addresses and found != plan:
                    log.warning("our address has changed, coturn starts anew")
                    return None
        return "ended" if reading.done() else None

    def _is_renewed(self, certificate: CertificateWatch) -> bool:
        is_renewed = certificate.is_renewed()
        self._conditions.set(CERTIFICATE, certificate.problem(self._clock.now()))
        return is_renewed

    async def _place(self, rules: ManagedRules) -> Plan:
        """Return the plan with what the settings leave to be found."""
        if rules.is_on_routes:
            rules = replace(rules, plan=placed(rules.plan, route_addresses(), rules.outside))
        plan = await self._discovery.fill(rules)
        self._conditions.set(ADDRESS, self._discovery.problem)
        if plan.port or not plan.addresses:
            return plan
        if self._any_port is None:
            self._any_port = free_port(plan.addresses[0])
        return replace(plan, port=self._any_port)

    async def _is_stirred(self, seconds: float) -> bool:
        """Wait so long, or until something has happened, and tell which of the two it was."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stirred.wait()
        return self._stirred.is_set()


def _course(rules: ManagedRules | None) -> object:
    """Return what decides how coturn runs; addresses of routes are looked up while it does."""
    if rules is None:
        return None
    plan = placed(rules.plan, (), ()) if rules.is_on_routes else rules.plan
    return rules.program, plan, rules.discover_from, rules.is_on_routes, rules.outside

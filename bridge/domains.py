"""Keys that the operator's domains list for their NIP-05 names: looked up beforehand, and remembered.

Whether somebody calls makes no difference to when a domain is asked, so nobody can have us ask. What a domain told last
counts until it tells something else, or has told nothing for too long; it is kept over a restart, because a domain that
is down must not lock out those who call.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from bridge.conditions import Conditions
from bridge.http import Fetch, HttpFailed, HttpRequest
from client.clock import Clock
from nips.errors import InvalidDocument
from nips.keys import PublicKey
from nips.nip05 import PATH, parse_listed_keys
from storage.errors import StorageError
from storage.interface import Secrets

log = logging.getLogger(__name__)

RECORD = "domain_keys"
"""Name under which the answers are kept."""

FIRST_RETRY_SECONDS = 30.0
"""After which a domain that failed is asked again; doubled each time."""

OK_STATUS = 200


@dataclass(frozen=True, slots=True)
class DomainRules:
    """Which domains are asked, and how."""

    domains: Sequence[str] = ()
    ttl_seconds: int = 3600
    stale_seconds: int = 604_800
    """How long an answer counts at most."""
    timeout_seconds: float = 10
    max_bytes: int = 262_144


@dataclass(frozen=True, slots=True)
class _Listing:
    """What a domain told last."""

    keys: frozenset[PublicKey] = frozenset()
    told_at: int = 0
    ask_at: float = 0
    """When it is asked again, by the clock that never steps back."""
    failures: int = 0


class DomainKeys:
    """The keys of all domains; `run` keeps them up to date."""

    def __init__(
        self, rules: DomainRules, *, http: Fetch, secrets: Secrets, conditions: Conditions, clock: Clock
    ) -> None:
        self._rules = rules
        self._http = http
        self._secrets = secrets
        self._conditions = conditions
        self._clock = clock
        self._listings: Mapping[str, _Listing] = {}
        self._adopted = asyncio.Event()

    def __contains__(self, key: object) -> bool:
        """Tell whether a domain lists a key, as far as we know; never waits."""
        now, stale_seconds = self._clock.now(), self._rules.stale_seconds
        return any(
            key in listing.keys and now - listing.told_at < stale_seconds
            for domain in self._rules.domains
            if (listing := self._listings.get(domain)) is not None
        )

    def adopt(self, rules: DomainRules) -> None:
        """Ask other domains, or otherwise; those that stay keep what they told."""
        for domain in set(self._rules.domains) - set(rules.domains):
            self._conditions.set(_part(domain), None)
        self._rules = rules
        self._listings = {domain: self._listings[domain] for domain in rules.domains if domain in self._listings}
        self._adopted.set()

    async def recall(self) -> None:
        """Take up what domains told an earlier run."""
        recorded = await self._secrets.get(RECORD)
        answers = json.loads(recorded) if recorded else {}
        self._listings = {
            domain: _Listing(frozenset(map(PublicKey, answers[domain]["keys"])), answers[domain]["told_at"])
            for domain in self._rules.domains
            if domain in answers
        }

    async def run(self) -> None:
        """Ask each domain when it is due, until cancelled."""
        while True:
            self._adopted.clear()
            await self.refresh()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._wait_seconds()):
                    await self._adopted.wait()

    async def refresh(self) -> None:
        """Ask the domains that are due, all at once, and keep what they tell."""
        before, now = self._told(), self._clock.monotonic()
        async with asyncio.TaskGroup() as asking:
            for domain in self._rules.domains:
                if self._listing(domain).ask_at <= now:
                    asking.create_task(self._ask(domain, self._rules))
        if self._told() != before:
            await self._keep()

    async def _ask(self, domain: str, rules: DomainRules) -> None:
        url = f"https://{domain}{PATH}"
        request = HttpRequest(method="GET", url=url, seconds=rules.timeout_seconds, max_bytes=rules.max_bytes)
        try:
            reply = await self._http.fetch(request)
            if reply.status != OK_STATUS:
                raise InvalidDocument(f"it answers with status {reply.status}")
            keys = parse_listed_keys(reply.body)
        except (HttpFailed, InvalidDocument) as error:
            self._note_failure(domain, str(error))
            return
        asked_again = self._clock.monotonic() + rules.ttl_seconds
        self._set(domain, _Listing(keys, self._clock.now(), asked_again))
        self._conditions.set(_part(domain), None)

    def _note_failure(self, domain: str, reason: str) -> None:
        known = self._listing(domain)
        delay = min(self._rules.ttl_seconds, FIRST_RETRY_SECONDS * 2 ** min(known.failures, 20))
        self._set(domain, replace(known, ask_at=self._clock.monotonic() + delay, failures=known.failures + 1))
        self._conditions.set(_part(domain), f"does not tell its names: {reason}; what it told last counts for a while")

    def _set(self, domain: str, listing: _Listing) -> None:
        # It may have been taken out of the settings while it was asked.
        if domain in self._rules.domains:
            self._listings = {**self._listings, domain: listing}

    async def _keep(self) -> None:
        answers = {
            domain: {"keys": sorted(listing.keys), "told_at": listing.told_at}
            for domain, listing in self._listings.items()
            if listing.told_at
        }
        try:
            await self._secrets.replace(RECORD, json.dumps(answers).encode())
        except StorageError as error:
            log.warning("keys of domains not kept", extra={"facts": {"error": type(error).__name__}})

    def _wait_seconds(self) -> float | None:
        times = [self._listing(domain).ask_at for domain in self._rules.domains]
        return max(0.0, min(times) - self._clock.monotonic()) if times else None

    def _told(self) -> Mapping[str, int]:
        return {domain: listing.told_at for domain, listing in self._listings.items()}

    def _listing(self, domain: str) -> _Listing:
        return self._listings.get(domain, _Listing())


def _part(domain: str) -> str:
    return f"domain {domain}"

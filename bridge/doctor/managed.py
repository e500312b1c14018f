"""The coturn that the bridge runs itself, seen from outside of the bridge: its ports, and its credentials."""

from __future__ import annotations

import asyncio

from bridge.administration.client import NotRunning
from bridge.administration.messages import CommandRefused
from bridge.doctor.files import ELSEWHERE
from bridge.doctor.findings import Finding, ok, problem, skipped, warning
from bridge.doctor.running import status_of
from bridge.doctor.subject import Subject
from bridge.errors import StartupError
from bridge.turn.coturn import coturn_password, coturn_username
from bridge.turn.managed.from_settings import managed_rules, none_because
from bridge.turn.managed.reach import trouble_with
from bridge.turn.managed.rules import ManagedRules, stun_urls, turn_urls
from bridge.turn.managed.secret import NAME as SECRET
from bridge.turn.managed.secret import signing_secret
from bridge.turn.managed.server import NAME
from bridge.turn.provider import TurnCredentials, TurnProvider
from storage.errors import StorageError, StorageKeyMissing

FAMILY = "turn"


class StoredSecretProvider:
    """Makes the credentials that the running bridge makes, from the same secret."""

    name = NAME

    def __init__(self, rules: ManagedRules, secret: str) -> None:
        self._rules = rules
        self._secret = secret

    def __repr__(self) -> str:
        return "StoredSecretProvider(hidden)"

    async def credentials(self, *, user: str, now: int) -> TurnCredentials:
        """Return credentials that the managed coturn lets in."""
        rules = self._rules
        username = coturn_username(user, now + rules.ages.valid_seconds)
        password = coturn_password(self._secret.encode(), username)
        urls = rules.urls or turn_urls(rules.plan)
        return TurnCredentials(username, password, urls, rules.ages.valid_seconds, stun_urls(rules.plan))


async def managed_provider(subject: Subject) -> TurnProvider | Finding:
    """Return the managed coturn as a provider, or why it is not looked at; it runs only as long as its bridge."""
    try:
        rules = managed_rules(subject.settings, subject.home)
    except StartupError as error:
        return problem(FAMILY, NAME, str(error), "see [turn.managed], or take it out of turn.providers")
    if rules is None:
        found = f"no TURN server: {none_because(subject.settings)}; clients whose networks need a relay cannot call"
        fix = 'docs/operator.md, "TURN without a provider", or name one in turn.providers'
        return warning(FAMILY, "turn.providers", found, fix)
    if not rules.plan.addresses or not await _is_running(subject):
        return _ports(rules)
    if not rules.plan.port:
        return skipped(FAMILY, NAME, "its port is any that is free, and not known here")
    return _from_storage(subject, rules)


async def _is_running(subject: Subject) -> bool:
    try:
        await asyncio.to_thread(status_of, subject.home.path, seconds=subject.patience_seconds)
    except NotRunning:
        return False
    except (StartupError, CommandRefused):
        return True  # that it does not answer is told elsewhere
    return True


def _ports(rules: ManagedRules) -> Finding:
    trouble = trouble_with(rules.plan)
    if trouble is not None:
        return problem(FAMILY, NAME, trouble, "see [turn.managed]: addresses and ports")
    return ok(FAMILY, NAME, "its ports are free; it runs as long as the bridge does")


def _from_storage(subject: Subject, rules: ManagedRules) -> TurnProvider | Finding:
    try:
        raw = subject.home.read_stored(subject.settings, subject.environment, SECRET)
    except StorageKeyMissing:
        return skipped(FAMILY, NAME, "no allocation without the running bridge's storage key", ELSEWHERE)
    except (StartupError, StorageError) as error:
        return problem(FAMILY, NAME, f"its secret cannot be read: {error}", "see what `files` says of the storage key")
    if raw is None:
        return problem(FAMILY, NAME, "the bridge runs, and has never started it", "look at the log of the bridge")
    return StoredSecretProvider(rules, signing_secret(raw))

"""TURN: credentials from every provider that is configured, and an allocation with them at every address."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bridge.doctor.addresses import is_for_everybody, resolved
from bridge.doctor.allocation import PORTS, AllocationFailed, allocate, bind, transport_of
from bridge.doctor.examination import Findings
from bridge.doctor.findings import Finding, ok, problem, skipped, warning
from bridge.doctor.managed import managed_provider
from bridge.doctor.names import addresses_in
from bridge.doctor.page import PageFailed, certificate_end
from bridge.doctor.public import certificate
from bridge.doctor.subject import Subject
from bridge.errors import ProviderFailed, StartupError
from bridge.http import HttpClient
from bridge.settings.ice_url import IceUrl, is_address, parse_ice_url
from bridge.settings.turn import ProviderKind
from bridge.turn.addresses import RelayAddresses, fill
from bridge.turn.from_settings import chain_rules
from bridge.turn.provider import TurnCredentials, TurnProvider
from bridge.turn.resolver import look_up
from bridge.turn.rules import name_rules, relay_rules

FAMILY = "turn"


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One address that clients are told, with what is good there."""

    about: str
    url: IceUrl
    name: str
    """In the certificate, where there is one."""
    credentials: TurnCredentials


async def check_turn(subject: Subject) -> Findings:
    """Get credentials of each provider by itself, not only of the one that would be asked first."""
    turn = subject.settings.turn
    managed: TurnProvider | None = None
    if not turn.providers or ProviderKind.MANAGED in turn.providers:
        answer = await managed_provider(subject)
        if isinstance(answer, Finding):
            yield answer
            turn = replace(turn, providers=tuple(kind for kind in turn.providers if kind is not ProviderKind.MANAGED))
        else:
            managed = answer
    async with HttpClient() as http:
        try:
            rules = chain_rules(turn, subject.home, http, managed)
        except StartupError as error:
            yield problem(FAMILY, "turn.providers", str(error), "put the secret there, or take the provider out")
            return
        for provider in rules.providers:
            async for finding in _provider(subject, provider, seconds=turn.chain.provider_seconds):
                yield finding


async def check_stun(subject: Subject, url: str) -> Findings:
    """Ask a STUN server where it sees us."""
    parsed = parse_ice_url(url)
    if parsed.scheme == "stuns":
        yield skipped(FAMILY, url, "STUN over TLS is not tried")
        return
    try:
        seen = await bind(parsed, host=parsed.host, seconds=subject.patience_seconds)
    except AllocationFailed as failure:
        yield problem(FAMILY, url, failure.reason, f"{failure.fix}, or take it out of turn.stun_urls")
    else:
        yield ok(FAMILY, url, f"answers, and sees us at {seen}")


async def _provider(subject: Subject, provider: TurnProvider, *, seconds: float) -> Findings:
    user = subject.entropy.draw(16).hex()
    begun = subject.clock.monotonic()
    try:
        async with asyncio.timeout(seconds):
            credentials = await provider.credentials(user=user, now=subject.clock.now())
    except ProviderFailed as failure:
        found = f"gives no credentials: {failure}"
        yield problem(FAMILY, provider.name, found, f"look at [turn.{provider.name}], and at your account there")
        return
    except TimeoutError:
        found = f"gave no credentials within {seconds:g} seconds (turn.chain.provider_seconds)"
        yield problem(FAMILY, provider.name, found, "raise that time, or put a faster provider before it")
        return
    took_ms = 1000 * (subject.clock.monotonic() - begun)
    yield ok(FAMILY, provider.name, f"gives credentials in {took_ms:.0f} ms")
    async with asyncio.TaskGroup() as tasks:
        tries = [
            tasks.create_task(_try(subject, attempt))
            for told in told_by(subject, provider.name, credentials)
            for attempt in await _attempts(subject, provider.name, told, credentials)
        ]
    for done in tries:
        for finding in done.result():
            yield finding


def told_by(subject: Subject, provider: str, credentials: TurnCredentials) -> Sequence[RelayAddresses]:
    """Return what clients are told with a provider's credentials: everybody, and those in an experiment."""
    rules = relay_rules(subject.settings)
    everybody = rules.addresses[provider].with_urls_of(credentials.urls)
    if rules.experiment is None or not rules.experiment.is_about(provider):
        return [everybody]
    return [everybody, rules.experiment.addresses.with_urls_of(credentials.urls)]


async def _attempts(
    subject: Subject, provider: str, told: RelayAddresses, credentials: TurnCredentials
) -> Sequence[_Attempt]:
    hostname = told.hostname
    filled: list[str] = []
    if told.patterns and hostname is not None:
        rules = name_rules(subject.settings)
        answers = await look_up(hostname, resolvers=rules.resolvers, timeout_seconds=subject.patience_seconds)
        filled = fill(told.patterns, filter(rules.allows, addresses_in(answers)))
    attempts = []
    for text in dict.fromkeys([*told.urls, *filled]):
        url = parse_ice_url(text)
        name = hostname if url.has_address and hostname else url.host
        attempts.append(_Attempt(f"{provider}: {text}", url, name, credentials))
    return attempts


async def _try(subject: Subject, attempt: _Attempt) -> Sequence[Finding]:
    about, url = attempt.about, attempt.url
    if url.scheme == "turns" and transport_of(url) == "udp":
        return [skipped(FAMILY, about, "TURN over DTLS is not tried")]
    targets = await _targets(url)
    if not targets:
        return [problem(FAMILY, about, f"the name {url.host} does not resolve", "correct the name, or its DNS records")]
    found = [await _allocate(subject, attempt, host) for host in targets]
    if url.scheme == "turns":
        found += await _certificate(subject, attempt, targets[0])
    return found


async def _targets(url: IceUrl) -> list[str]:
    """Return the first address of each family."""
    if url.has_address:
        return [url.host]
    found = [await resolved(url.host, family) for family in (socket.AF_INET, socket.AF_INET6)]
    return [addresses[0] for addresses in found if addresses]


async def _allocate(subject: Subject, attempt: _Attempt, host: str) -> Finding:
    begun = subject.clock.monotonic()
    place = f" at {host}" if host != attempt.url.host else ""
    try:
        granted = await allocate(
            attempt.url,
            host=host,
            name=attempt.name,
            username=attempt.credentials.username,
            password=attempt.credentials.password,
            seconds=subject.patience_seconds,
        )
    except AllocationFailed as failure:
        return problem(FAMILY, attempt.about, f"no allocation{place}: {failure.reason}", failure.fix)
    took_ms = 1000 * (subject.clock.monotonic() - begun)
    if is_address(granted.relayed) and not is_for_everybody(granted.relayed) and is_for_everybody(host):
        found = f"an allocation{place}, but at {granted.relayed}, where peers elsewhere do not find it"
        return warning(FAMILY, attempt.about, found, "tell coturn its public address (external-ip)")
    return ok(FAMILY, attempt.about, f"an allocation{place} in {took_ms:.0f} ms, at {granted.relayed}")


async def _certificate(subject: Subject, attempt: _Attempt, host: str) -> Sequence[Finding]:
    port = attempt.url.port or PORTS[attempt.url.scheme]
    try:
        ends = await certificate_end(host, port, name=attempt.name, seconds=subject.patience_seconds)
    except PageFailed:
        return []  # the allocation has told why
    return certificate(attempt.about, ends, now=subject.clock.now(), family=FAMILY)

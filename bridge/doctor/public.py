"""The address that clients are told, as they find it: name, certificate, proxy, and the bridge behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import urlsplit

from bridge.doctor.addresses import is_for_everybody, resolved
from bridge.doctor.examination import Findings
from bridge.doctor.exchange import limits
from bridge.doctor.findings import Finding, ok, problem, quoted, skipped, warning
from bridge.doctor.page import Page, PageFailed
from bridge.doctor.relays import document_of
from bridge.doctor.subject import Subject
from bridge.settings.ice_url import is_address
from bridge.settings.tree import Settings
from client.authentication import AuthState
from client.connection import RelayConnection
from client.entropy import draw_key
from client.lifetime import linked
from nips import kinds
from nips.event import VerifiedEvent
from nips.filter import Filter

FAMILY = "public"
SOON_DAYS = 14
"""Certificates are renewed a month before they end; what is left two weeks before is not renewed by itself."""
VERY_SOON_DAYS = 3

_DAY_SECONDS = 86_400
_UPGRADE = (
    "have the proxy pass websockets on: `proxy_http_version 1.1`, `Upgrade` and `Connection` as in docs/operator.md"
)


async def check_public(subject: Subject) -> Findings:
    """Go to `public_url` as a client does. From this machine: a firewall further out is not seen."""
    url = subject.settings.bridge.public_url
    if not url:
        yield _unnamed(subject)
        return
    for finding in [*scheme(url), *proxies(subject.settings)]:
        yield finding
    host = urlsplit(url).hostname or ""
    if not is_address(host) and (addresses := await resolved(host)) and not any(map(is_for_everybody, addresses)):
        found = f"{host} means {', '.join(addresses)}, which only this network can reach"
        yield warning(FAMILY, url, found, "give the name an address that the Internet reaches, unless that is meant")
    try:
        page = await subject.pages.get(url)
    except PageFailed as failure:
        yield problem(FAMILY, url, failure.reason, failure.fix)
        return
    for finding in [*certificate(url, page.certificate_ends, now=subject.clock.now()), *answer(subject, url, page)]:
        yield finding
    yield await _websocket(subject, url)


def _unnamed(subject: Subject) -> Finding:
    if subject.relays:
        return ok(FAMILY, "bridge.public_url", "is empty: clients come over the relays under [upstream]")
    found = "is empty, and [upstream] too: clients find this bridge from this machine only"
    return warning(
        FAMILY, "bridge.public_url", found, "set it, such as wss://relay.example.org, or name upstream.relays"
    )


def scheme(url: str) -> Sequence[Finding]:
    """Say whether clients come over TLS, where that matters."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    is_near = host in ("localhost", "127.0.0.1", "::1") or host.endswith(".onion")
    if parts.scheme == "wss" or is_near:
        return []
    found = "has no TLS: pages on https: cannot connect, and whoever carries the traffic sees recipients and times"
    return [warning(FAMILY, url, found, "put a TLS proxy in front, and write wss://")]


def proxies(settings: Settings) -> Sequence[Finding]:
    """Say whether the proxy that ends TLS is known to our relay."""
    if not settings.bridge.public_url.startswith("wss:"):
        return []
    known = settings.relay.trusted_proxies
    if known:
        found = f"X-Forwarded-For is believed from {', '.join(known[:5])}"
        return [ok(FAMILY, "relay.trusted_proxies", found)]
    found = "is empty, and a proxy ends TLS: all clients together have what one address may have"
    fix = 'name the proxy, such as trusted_proxies = ["127.0.0.1"], and have it send X-Forwarded-For'
    return [warning(FAMILY, "relay.trusted_proxies", found, fix)]


def certificate(about: str, ends: int | None, *, now: int, family: str = FAMILY) -> Sequence[Finding]:
    """Judge how long a certificate, which was accepted, will be."""
    if ends is None:
        return []
    days = (ends - now) // _DAY_SECONDS
    shown = f"its certificate ends in {days} {'day' if days == 1 else 'days'}"
    fix = "renew it, and see why that did not happen by itself (such as `certbot renew --dry-run`)"
    if days < VERY_SOON_DAYS:
        return [problem(family, about, shown, fix)]
    if days < SOON_DAYS:
        return [warning(family, about, shown, fix)]
    return [ok(family, about, shown)]


def answer(subject: Subject, url: str, page: Page) -> Sequence[Finding]:
    """Say whether it is this bridge that answers."""
    document = document_of(page)
    if page.status in (502, 503, 504):
        found = f"a proxy answers ({page.status}), and does not reach the bridge"
        return [problem(FAMILY, url, found, f"start the bridge, and have the proxy pass to {subject.local_url}")]
    if document is None:
        found = f"what answers (HTTP {page.status}) is no relay"
        return [problem(FAMILY, url, found, f"have the proxy pass this address to {subject.local_url}")]
    if subject.public_key is None:
        return [skipped(FAMILY, url, "whose relay answers cannot be told without the bridge's key")]
    if document.self != subject.public_key:
        found = f"another relay answers ({quoted(document.name)})"
        return [problem(FAMILY, url, found, f"have the proxy pass this address to {subject.local_url}, or correct it")]
    return [ok(FAMILY, url, "this bridge answers there")]


async def _websocket(subject: Subject, url: str) -> Finding:
    key = draw_key(subject.entropy)
    link = RelayConnection(
        url, keys=[key], clock=subject.clock, entropy=subject.entropy, limits=limits(subject.patience_seconds)
    )
    ours = Filter(kinds=frozenset({kinds.GIFT_WRAP}), tags={"p": frozenset({str(key.public_key)})})
    link.subscribe("public", lambda _: [ours], _ignore)
    async with linked(link):
        try:
            async with asyncio.timeout(subject.patience_seconds):
                await link.wait_ready()
        except TimeoutError:
            status = link.status
            if status.connected_since is None:
                return problem(
                    FAMILY, url, f"the websocket does not open ({status.last_error or 'no answer'})", _UPGRADE
                )
            return problem(FAMILY, url, "the websocket opens, and nothing comes through it", _UPGRADE)
        if link.status.auth.get(key.public_key) is not AuthState.ACCEPTED:
            said = quoted(link.status.words[-1]) if link.status.words else "nothing"
            fix = "write public_url exactly as clients write it: AUTH is for that address alone (NIP-42)"
            return problem(FAMILY, url, f"the websocket opens, and AUTH fails: {said}", fix)
    return ok(FAMILY, url, "the websocket opens, and a key can be proved")


async def _ignore(event: VerifiedEvent) -> None:
    """Have no use for what comes."""

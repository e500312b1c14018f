"""Each relay that the bridge is found on: reachable, fit for wraps, and telling others where the bridge is."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.doctor.examination import Findings
from bridge.doctor.exchange import Exchange, Party, exchange
from bridge.doctor.findings import Finding, ok, problem, skipped, warning
from bridge.doctor.page import Page, PageFailed
from bridge.doctor.round_trip import Place, judge
from bridge.doctor.subject import Subject
from bridge.settings.relay_url import relay_identity
from nips import kinds
from nips.errors import InvalidDocument
from nips.nip11 import RelayInformation, parse_relay_information
from nips.nip17 import inbox_relays

FAMILY = "relay"
LISTS = "lists"
MAX_DOCUMENT_BYTES = 262_144
_MAX_RELAYS = 1000

_WANTED_PAST_SECONDS = 2 * 86_400
"""How far back answers may be dated (NIP-59)."""


async def check_relay(subject: Subject, url: str) -> Findings:
    """Look at one relay of others, from its document to a wrap's way over it."""
    document = RelayInformation()
    try:
        page = await subject.pages.get(url)
    except PageFailed as failure:
        if not failure.is_there:
            yield problem(FAMILY, url, failure.reason, f"{failure.fix}, or take it out of upstream.relays")
            return
        yield ok(FAMILY, url, "answers; it has no information document (NIP-11)")
    else:
        document = document_of(page) or document
        for finding in judge_document(url, page, document):
            yield finding
    if subject.secret is None:
        yield skipped(FAMILY, url, "no round trip without the bridge's key")
        return
    party = Party(secret=subject.secret, clock=subject.clock, entropy=subject.entropy, seconds=subject.patience_seconds)
    seen = await exchange(url, party)
    for finding in judge(Place(url, document.software.lower()), seen):
        yield finding
    if seen.is_open:
        for finding in judge_lists(url, seen, subject.announced):
            yield finding


def document_of(page: Page) -> RelayInformation | None:
    """Return a relay's information document, if that is what came."""
    try:
        return parse_relay_information(page.body, max_bytes=MAX_DOCUMENT_BYTES) if page.status == 200 else None
    except InvalidDocument:
        return None


def judge_document(url: str, page: Page, document: RelayInformation) -> Sequence[Finding]:
    """Say what a relay tells of itself, as far as it matters to a bridge."""
    name = document.software or document.name or "a relay"
    told = [
        ok(
            FAMILY,
            url,
            f"answers in {1000 * page.seconds:.0f} ms ({_plain(name)} {_plain(document.version)})".replace(" )", ")"),
        )
    ]
    limitation = document.limitation
    if limitation.min_pow_difficulty:
        found = f"wants {limitation.min_pow_difficulty} bits of work (NIP-13), which the bridge's wraps do not carry"
        told.append(warning(FAMILY, url, found, "ask its operator to admit wraps without, or take it out"))
    if limitation.payment_required:
        found = "takes events from those who have paid"
        told.append(
            warning(FAMILY, url, found, "pay for the bridge's key; wraps come from one-time keys, so ask first")
        )
    oldest = limitation.created_at_lower_limit
    if oldest is not None and oldest < _WANTED_PAST_SECONDS:
        found = f"refuses events older than {oldest} seconds, and stored wraps may be dated back by two days (NIP-59)"
        told.append(warning(FAMILY, url, found, "ask its operator to widen that for kind 1059"))
    return told


def judge_lists(url: str, seen: Exchange, announced: Sequence[str]) -> Sequence[Finding]:
    """Say whether others find there where the bridge reads (10050) and is (10002)."""
    newest = {event.kind: event for event in sorted(seen.lists, key=lambda event: event.created_at)}
    missing = [str(kind) for kind in (kinds.INBOX_RELAYS, kinds.RELAY_LIST) if kind not in newest]
    if missing:
        found = f"our {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not there for others to read"
        fix = "start the bridge, which publishes them each time; if they stay away, the relay does not take such kinds"
        return [warning(LISTS, url, found, fix)]
    told = {relay_identity(relay) for relay in inbox_relays(newest[kinds.INBOX_RELAYS], maximum=_MAX_RELAYS)}
    if told != {relay_identity(relay) for relay in announced}:
        found = "our 10050 there names other relays than the settings do"
        return [warning(LISTS, url, found, "restart the bridge: it publishes its lists when it starts")]
    return [ok(LISTS, url, "our 10050 and 10002 are there")]


def _plain(text: str) -> str:
    return "".join(character for character in text[:60] if character.isprintable())

"""Our own endpoint, asked as a client would: a wrap there and back, and a question that the bridge answers."""

from __future__ import annotations

from bridge.doctor.examination import Findings
from bridge.doctor.exchange import Party, exchange, limits
from bridge.doctor.findings import Finding, ok, problem, skipped
from bridge.doctor.page import PageFailed
from bridge.doctor.relays import document_of, judge_lists
from bridge.doctor.round_trip import Place, judge
from bridge.doctor.subject import Subject
from client.bridge import BridgeClient
from client.connection import RelayConnection
from client.entropy import draw_key
from client.errors import CallFailed
from client.lifetime import linked
from nips import kinds

FAMILY = "endpoint"
_KINDS = (kinds.GIFT_WRAP, kinds.EPHEMERAL_GIFT_WRAP)


async def check_endpoint(subject: Subject) -> Findings:
    """Talk to the running bridge over its own endpoint; without one there is nothing to say."""
    url, key = subject.local_url, subject.public_key
    if url is None or key is None:
        yield skipped(FAMILY, "own relay", "its port is not known, or the bridge's key is not")
        return
    try:
        document = document_of(await subject.pages.get(url))
    except PageFailed:
        yield skipped(FAMILY, url, "no bridge runs here now", "start it, and run this again")
        return
    if document is None or document.self != key:
        yield skipped(FAMILY, url, "another program listens there")
        return
    # Wraps for the bridge's own key are served to nobody here, so somebody invented sends one to itself.
    party = Party(
        secret=draw_key(subject.entropy),
        clock=subject.clock,
        entropy=subject.entropy,
        seconds=subject.patience_seconds,
        auth_url=subject.settings.bridge.public_url or None,
        lists_of=key,
    )
    seen = await exchange(url, party)
    for finding in [*judge(Place(url, is_ours=True), seen), *judge_lists(url, seen, subject.announced)]:
        yield finding
    for finding in await _questions(url, subject, party):
        yield finding


async def _questions(url: str, subject: Subject, party: Party) -> list[Finding]:
    assert subject.public_key is not None
    link = RelayConnection(
        url,
        keys=[party.secret],
        clock=party.clock,
        entropy=party.entropy,
        limits=limits(party.seconds),
        auth_url=party.auth_url,
    )
    found: list[Finding] = []
    async with linked(link):
        client = BridgeClient(party.secret, subject.public_key, [link], clock=party.clock, entropy=party.entropy)
        for kind in _KINDS:
            begun = party.clock.monotonic()
            try:
                await client.call("bridge.info", kind=kind, timeout_seconds=party.seconds)
            except CallFailed as failure:
                fix = "look at the log of the bridge; `switchboard status` tells what it is busy with"
                found.append(problem(FAMILY, url, f"{kind}: bridge.info brings no answer ({failure})", fix))
            else:
                took_ms = 1000 * (party.clock.monotonic() - begun)
                found.append(ok(FAMILY, url, f"{kind}: bridge.info is answered in {took_ms:.0f} ms"))
    return found

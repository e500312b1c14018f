"""Opening and making one wrap of 1 KB: ours beside the curve operations alone, and beside other libraries.

Opening goes from the text of an event to the rumor, with every check that the bridge does; making goes from the rumor
to the text. No two wraps are by the same author or for the same recipient, so that nothing can be remembered; except in
the rows that say so, where one party keeps the keys that it shares with a few others, as the bridge does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial

from bench import bound
from bench.figures import Better, Figure
from bench.machine import Cores, pinned
from bench.peers.steps import Material, PeerSteps, nostr_sdk, nostr_tools
from bench.rounds import Work, best, rate
from bench.scope import Scope
from client.clock import SystemClock
from client.entropy import SystemEntropy, draw_key
from client.wrapping import wrap_rumor
from nips import kinds
from nips.conversation_keys import ConversationKeys
from nips.event import parse_event, verify_event
from nips.nip59 import make_rumor, open_wrap
from nips.strict_json import parse

CONTENT_BYTES = 1024
MAX_BYTES = 65_536

OPENED_AT_MOST = 6000
"""A second, so that there are as many wraps as even a quiet and faster machine gets through."""

KNOWN = 64
"""Parties whose keys are kept, where some are."""

_CLOCK, _ENTROPY = SystemClock(), SystemEntropy()


class NotTheSame(Exception):
    """A peer opened something else than was wrapped."""


def measure(scope: Scope, cores: Cores) -> Iterator[Figure]:
    """Yield the rates of both directions, beside each peer."""
    some = material(amount(scope))
    with pinned(cores.measured), ExitStack() as stack:
        peers = {
            "nostr-sdk": stack.enter_context(nostr_sdk(some)),
            "nostr-tools": stack.enter_context(nostr_tools(some)),
        }
        yield from _beside(scope, "unwrap 1 KB", opening(some), bound.OPENING, bound.opening(), peers, 0.55)
        check(peers)
        yield from _beside(scope, "wrap 1 KB", making(some), bound.WRAPPING, bound.wrapping(), peers, 0.5)
    with pinned(cores.measured):
        few = material(amount(scope), parties=KNOWN)
        for name, ours, limit, bare in (
            ("unwrap 1 KB by a known author", opening(few, keeps=KNOWN), bound.OPENING_KNOWN, bound.opening(ecdh=1)),
            ("wrap 1 KB for a known recipient", making(few, keeps=KNOWN), bound.WRAPPING_KNOWN, bound.wrapping(ecdh=1)),
        ):
            yield from _beside(scope, name, ours, limit, bare, {}, None)


def nostr_sdk_steps() -> PeerSteps:
    """Return nostr-sdk with wraps to open, for the sum of its steps."""
    return nostr_sdk(material(200))


def amount(scope: Scope) -> int:
    """Return how many wraps are enough for all rounds, each opened once."""
    return max(20, round(OPENED_AT_MOST * scope.seconds * scope.rounds))


def _beside(
    scope: Scope,
    name: str,
    ours: Work,
    limit: str,
    bare: Work,
    peers: Mapping[str, PeerSteps],
    aim: float | None,
) -> Iterator[Figure]:
    step = name.partition(" ")[0]
    rates = best(
        {
            "ours": partial(rate, ours, scope.seconds),
            limit: partial(rate, bare, scope.seconds),
            **{peer: partial(steps.rate, step, scope.seconds) for peer, steps in peers.items()},
        },
        scope.rounds,
    )
    for peer in (limit, *peers):
        yield Figure(
            name=name,
            value=rates["ours"],
            unit="1/s",
            better=Better.HIGHER,
            peer=peer,
            peer_value=rates[peer],
            aim=aim if peer == limit else None,
        )


def material(amount: int, *, parties: int | None = None) -> Material:
    """Return so many wraps to open and so many recipients to wrap for, all different or only a few by turns."""
    secret, others = draw_key(_ENTROPY), [draw_key(_ENTROPY) for _ in range(parties or amount)]
    content = "x" * CONTENT_BYTES
    wraps = []
    for number in range(amount):
        author = others[number % len(others)]
        rumor = make_rumor(
            author.public_key, created_at=_CLOCK.now(), kind=kinds.BRIDGE_REQUEST, tags=[], content=content
        )
        wrap = wrap_rumor(rumor, author, secret.public_key, kind=kinds.GIFT_WRAP, clock=_CLOCK, entropy=_ENTROPY)
        wraps.append(wrap.to_json())
    answer = make_rumor(
        secret.public_key, created_at=_CLOCK.now(), kind=kinds.BRIDGE_RESPONSE, tags=[], content=content
    )
    return Material(wraps, secret, answer, [others[number % len(others)].public_key for number in range(amount)])


def opening(given: Material, *, keeps: int = 0) -> Work:
    """Return what opens wraps, each once, and keeps the keys of so many authors."""
    texts, keys = iter(given.wraps), ConversationKeys(given.secret, max_kept=keeps)

    def work(times: int) -> int:
        for done in range(times):
            if (text := next(texts, None)) is None:
                return done
            open_wrap(verify_event(parse_event(parse(text, max_bytes=MAX_BYTES))), keys)
        return times

    return work


def making(given: Material, *, keeps: int = 0) -> Work:
    """Return what makes wraps, for each recipient once, and keeps the keys of so many."""
    recipients, keys = iter(given.recipients), ConversationKeys(given.secret, max_kept=keeps)
    for known in set(given.recipients) if keeps else ():
        keys.keep(known, keys.shared_with(known))

    def work(times: int) -> int:
        for done in range(times):
            if (recipient := next(recipients, None)) is None:
                return done
            wrap_rumor(
                given.rumor,
                keys,
                recipient,
                kind=kinds.GIFT_WRAP,
                clock=_CLOCK,
                entropy=_ENTROPY,
            ).to_json()
        return times

    return work


def check(peers: Mapping[str, PeerSteps]) -> None:
    """See that what the peers opened last is what we wrapped."""
    for name, steps in peers.items():
        opened = parse(steps.last, max_bytes=MAX_BYTES)
        if not isinstance(opened, dict) or opened.get("content") != "x" * CONTENT_BYTES:
            raise NotTheSame(f"{name} opened {steps.last[:200]}")

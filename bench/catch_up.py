"""Catching up: a client that was away asks for the thousand wraps that were kept for it, and reads to their end.

The clock runs from the REQ out to the EOSE back. The client has proved its key before, where the relay wants that;
LocalRelay and nostr-relay show everything to everybody here, which spares them the question. LocalRelay returns 500
events for one filter whatever it is told, so its REQ has two filters, each for one half.
"""

from __future__ import annotations

import json
import selectors
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from bench.channel import PATIENCE_SECONDS, Channel
from bench.figures import Better, Figure
from bench.machine import Cores
from bench.peers.relays import LOCAL_RELAY, NOSTR_RELAY, local_relay, nostr_relay
from bench.program import Program
from bench.publishing import publish, wraps
from bench.rounds import middle
from bench.scope import Scope
from client.entropy import SystemEntropy, draw_key
from nips import kinds
from nips.event import VerifiedEvent
from nips.keys import PublicKey, SecretKey

AIM_MS = 30.0

_ENTROPY = SystemEntropy()


class Incomplete(Exception):
    """A relay did not return what it had accepted."""


def measure(scope: Scope, cores: Cores) -> Iterator[Figure]:
    """Yield the time for as many wraps as the scope says, in milliseconds."""
    recipient = draw_key(_ENTROPY)
    events = wraps(scope.stored, [recipient.public_key])
    with (
        tempfile.TemporaryDirectory() as folder,
        Program(Path(folder) / "home", cores=cores.measured) as program,
        local_relay(cores.measured) as local,
        nostr_relay(cores.measured) as other,
    ):
        relays = {"ours": program.url, LOCAL_RELAY: local, NOSTR_RELAY: other}
        for url in relays.values():
            publish(url, events)
        times = middle(
            {
                relay: partial(
                    catch_up,
                    url,
                    recipient,
                    events,
                    proves=relay == "ours",
                    filters=2 if relay == LOCAL_RELAY else 1,
                )
                for relay, url in relays.items()
            },
            3 * scope.rounds,
        )
    for peer in (LOCAL_RELAY, NOSTR_RELAY):
        yield Figure(
            name=f"catch-up of {scope.stored} wraps, REQ to EOSE",
            value=times["ours"] * 1000,
            unit="ms",
            better=Better.LOWER,
            peer=peer,
            peer_value=times[peer] * 1000,
            aim=AIM_MS,
        )


def catch_up(url: str, recipient: SecretKey, events: Sequence[VerifiedEvent], *, proves: bool, filters: int) -> float:
    """Return the seconds until all of these events have been read, on a connection of its own."""
    ids = {event.id for event in events}
    with Channel(url) as channel:
        if proves:
            channel.prove([recipient])
        wanted = _filters(recipient.public_key, events, filters)
        texts: list[bytes] = []
        with selectors.DefaultSelector() as selector:
            selector.register(channel, selectors.EVENT_READ)
            started = time.perf_counter()
            channel.say("REQ", "back", *wanted)
            while not (texts and _is_end(texts[-1])):
                if not selector.select(PATIENCE_SECONDS):
                    raise Incomplete(f"{url}: no EOSE after {len(texts)} events")
                texts += channel.receive()
            took = time.perf_counter() - started
    read = [event["id"] for verb, *_, event in map(json.loads, texts) if verb == "EVENT"]
    if len(read) != len(ids) or set(read) != ids:
        raise Incomplete(f"{url}: {len(read)} of {len(ids)} events, {len(set(read) & ids)} of them right")
    return took


def _filters(recipient: PublicKey, events: Sequence[VerifiedEvent], amount: int) -> list[dict[str, object]]:
    """Return filters for all events; more than one share them out by time, each a part of the same size."""
    times = sorted(event.created_at for event in events)
    size = -(-len(times) // amount)
    parts = [times[start : start + size] for start in range(0, len(times), size)]
    wanted = {"kinds": [kinds.GIFT_WRAP], "#p": [recipient], "limit": size}
    return [{**wanted, "since": part[0], "until": part[-1]} for part in parts] if amount > 1 else [wanted]


def _is_end(text: bytes) -> bool:
    return text.startswith((b'["EOSE"', b'["CLOSED"'))

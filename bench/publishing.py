"""Publishing gift wraps of 2.3 KB to a relay over four connections, ours beside those that others wrote.

The same generator drives all three, each relay on the same core while the others are idle. An event counts when its OK
has been received: from ours it is durable then, from LocalRelay it is in memory.
"""

from __future__ import annotations

import json
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bench.channel import Channel, frame
from bench.figures import Better, Figure
from bench.load import Lane, Run, drive
from bench.machine import Cores
from bench.peers.relays import LOCAL_RELAY, NOSTR_RELAY, local_relay, nostr_relay
from bench.program import Program
from bench.rounds import middle
from bench.scope import Scope
from client.clock import SystemClock
from client.entropy import SystemEntropy, draw_key
from nips import kinds, nip44
from nips.event import VerifiedEvent, sign_event
from nips.keys import PublicKey
from nips.nip59 import make_rumor, seal_rumor

CONNECTIONS = 4
WINDOW = 32
"""Events on each connection that may wait for their OK: clients that send without waiting."""
RECIPIENTS = 50

EVENT_BYTES = 2300
"""About as long as each event is on the wire."""

_CLOCK, _ENTROPY = SystemClock(), SystemEntropy()
_TEXT = "x" * 180
_HINT = "wss://relay.example.org/inbox"


def measure(scope: Scope, cores: Cores) -> Iterator[Figure]:
    """Yield rates for clients that send without waiting, and for clients that wait for each OK."""
    recipients = [draw_key(_ENTROPY).public_key for _ in range(RECIPIENTS)]
    with (
        tempfile.TemporaryDirectory() as folder,
        Program(Path(folder) / "home", cores=cores.measured) as program,
        local_relay(cores.measured) as local,
        nostr_relay(cores.measured) as other,
    ):
        relays = {"ours": program.url, LOCAL_RELAY: local, NOSTR_RELAY: other}

        def rate(url: str, window: int) -> float:
            return publish(url, wraps(scope.events, recipients), seconds=4 * scope.seconds, window=window).rate

        for name, window in (("publish 2.3 KB", WINDOW), ("publish 2.3 KB, waiting for each OK", 1)):
            rates = middle({relay: partial(rate, url, window) for relay, url in relays.items()}, scope.rounds)
            for peer, aim in ((LOCAL_RELAY, 0.4), (NOSTR_RELAY, 8.0)):
                yield Figure(name, rates["ours"], "1/s", Better.HIGHER, peer, rates[peer], aim if window > 1 else None)


class NotStored(Exception):
    """A relay refused an event, or said OK more or less often than it was sent one."""


def wraps(amount: int, recipients: Sequence[PublicKey]) -> list[VerifiedEvent]:
    """Return so many stored wraps, for each recipient by turns, each by an author of its own and a second apart."""
    now = _CLOCK.now()
    return [_wrap(recipients[number % len(recipients)], now - number) for number in range(amount)]


def _wrap(recipient: PublicKey, now: int) -> VerifiedEvent:
    author, one_time = draw_key(_ENTROPY), draw_key(_ENTROPY)
    rumor = make_rumor(author.public_key, created_at=now, kind=14, tags=[("p", recipient)], content=_TEXT)
    drawn = {"nonce": _ENTROPY.draw(32), "aux": _ENTROPY.draw(32)}
    seal = seal_rumor(rumor, author, recipient, created_at=now, **drawn)
    content = nip44.encrypt(seal.to_json(), nip44.conversation_key(one_time, recipient), _ENTROPY.draw(32))
    # As clients send them: with a hint where the recipient reads, and an end. Sizes of payloads come in coarse steps.
    tags = [("p", recipient, _HINT), ("expiration", str(now + 7 * 86_400))]
    return sign_event(one_time, created_at=now, kind=kinds.GIFT_WRAP, tags=tags, content=content, aux=_ENTROPY.draw(32))


def publish(
    url: str,
    events: Sequence[VerifiedEvent],
    *,
    connections: int = CONNECTIONS,
    window: int = WINDOW,
    seconds: float = 60.0,
) -> Run:
    """Publish events as long as the time suffices; every one that was sent must be accepted, each once."""
    frames = [frame(f'["EVENT",{event.to_json()}]') for event in events]
    with ExitStack() as stack:
        lanes = [
            Lane(stack.enter_context(Channel(url)), deque(frames[number::connections]), window)
            for number in range(connections)
        ]
        run = drive(lanes, seconds=seconds, is_answer=_is_ok)
    answers = [message for lane in lanes for text in lane.texts if (message := json.loads(text))[0] == "OK"]
    refused = [message for message in answers if message[2] is not True]
    if refused or len({message[1] for message in answers}) != run.done:
        raise NotStored(f"{url}: {run.done} answers, of which {len(refused)} refusals: {refused[:3]}")
    return run


def _is_ok(text: bytes) -> bool:
    return text.startswith(b'["OK"')

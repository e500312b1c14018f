"""Publishing gift wraps to a relay: several connections at once, one event after the other, each counted at its OK."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack

from bench.channel import Channel, frame
from bench.load import Lane, Run, drive
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


class NotStored(Exception):
    """A relay refused an event, or said OK more or less often than it was sent one."""


def wraps(amount: int, recipients: Sequence[PublicKey]) -> list[VerifiedEvent]:
    """Return so many stored wraps, for each recipient by turns, each by an author of its own."""
    return [_wrap(recipients[number % len(recipients)]) for number in range(amount)]


def _wrap(recipient: PublicKey) -> VerifiedEvent:
    author, one_time, now = draw_key(_ENTROPY), draw_key(_ENTROPY), _CLOCK.now()
    rumor = make_rumor(author.public_key, created_at=now, kind=14, tags=[("p", recipient)], content=_TEXT)
    drawn = {"nonce": _ENTROPY.draw(32), "aux": _ENTROPY.draw(32)}
    seal = seal_rumor(rumor, author, recipient, created_at=now, **drawn)
    content = nip44.encrypt(seal.to_json(), nip44.conversation_key(one_time, recipient), _ENTROPY.draw(32))
    # As clients send them: with a hint where the recipient reads, and an end. Sizes of payloads come in coarse steps.
    tags = [("p", recipient, _HINT), ("expiration", str(now + 7 * 86_400))]
    return sign_event(one_time, created_at=now, kind=kinds.GIFT_WRAP, tags=tags, content=content, aux=_ENTROPY.draw(32))


def publish(url: str, events: Sequence[VerifiedEvent], *, connections: int = CONNECTIONS, seconds: float = 60.0) -> Run:
    """Publish events as long as the time suffices; every one that was sent must be accepted, each once."""
    frames = [frame(f'["EVENT",{event.to_json()}]') for event in events]
    with ExitStack() as stack:
        lanes = [
            Lane(stack.enter_context(Channel(url)), deque(frames[number::connections]), WINDOW)
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

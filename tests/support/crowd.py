"""Wraps of many fresh keys, made beforehand on all cores: to make one costs more than to send it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from client.clock import SystemClock
from client.entropy import SystemEntropy
from client.envelope import write_request
from client.wrapping import wrap_rumor
from nips import kinds
from nips.keys import PublicKey, SecretKey
from nips.nip59 import make_rumor

PROCESSES = 2
METHOD = "account.get"


def frames_of_fresh_keys(bridge: PublicKey, amount: int, *, kind: int) -> Sequence[tuple[SecretKey, str]]:
    """Return so many first requests, each by a key of its own: the key, and the EVENT frame."""
    shares = [amount // PROCESSES + (number < amount % PROCESSES) for number in range(PROCESSES)]
    # Forking would take along the threads and sockets of whoever asks.
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        made = list(pool.map(_frames, [bridge] * PROCESSES, shares, [kind] * PROCESSES))
    return [(SecretKey(bytes.fromhex(secret)), frame) for share in made for secret, frame in share]


def _frames(bridge: PublicKey, amount: int, kind: int) -> list[tuple[str, str]]:
    clock, entropy = SystemClock(), SystemEntropy()
    frames = []
    for _ in range(amount):
        # Drawn here, since a key has no form in which it could cross to another process.
        secret = entropy.draw(32)
        author = SecretKey(secret)
        rumor = make_rumor(
            author.public_key,
            created_at=clock.now(),
            kind=kinds.BRIDGE_REQUEST,
            tags=[("p", bridge)],
            content=write_request(entropy.draw(16).hex(), METHOD, {}),
        )
        wrap = wrap_rumor(rumor, author, bridge, kind=kind, clock=clock, entropy=entropy)
        frames.append((secret.hex(), f'["EVENT",{wrap.to_json()}]'))
    return frames

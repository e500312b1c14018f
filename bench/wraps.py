"""Wrapping and opening a request of 1 KB beside its bound: the same curve operations alone, through `nips/keys`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from client.clock import SystemClock
from client.entropy import SystemEntropy, draw_key
from client.wrapping import wrap_rumor
from nips import keys, kinds
from nips.event import parse_event, verify_event
from nips.nip59 import make_rumor, open_wrap
from nips.strict_json import parse

CLOCK, ENTROPY = SystemClock(), SystemEntropy()
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured rate beside its bound."""

    name: str
    value: float
    unit: str
    peer: str
    peer_value: float

    @property
    def ratio(self) -> float:
        """Ours over the peer's."""
        return self.value / self.peer_value


def measure(seconds: float) -> Iterable[Figure]:
    """Yield the figures, each from rounds of `seconds` for us and for the bound by turns."""
    author, bridge = draw_key(ENTROPY), draw_key(ENTROPY)
    rumor = make_rumor(
        author.public_key, created_at=CLOCK.now(), kind=kinds.BRIDGE_REQUEST, tags=[], content="x" * 1000
    )

    def wrap() -> str:
        wrapped = wrap_rumor(rumor, author, bridge.public_key, kind=kinds.GIFT_WRAP, clock=CLOCK, entropy=ENTROPY)
        return wrapped.to_json()

    text = wrap()

    def unwrap() -> None:
        open_wrap(verify_event(parse_event(parse(text, max_bytes=65_536))), bridge)

    message, aux = ENTROPY.draw(32), ENTROPY.draw(32)
    signature, public = author.sign(message, aux), bytes.fromhex(author.public_key)

    def two_secrets_and_two_signatures() -> None:
        for _ in range(2):
            author.shared_x(bridge.public_key)
            author.sign(message, aux)

    def two_secrets_and_two_checks() -> None:
        for _ in range(2):
            bridge.shared_x(author.public_key)
            keys.verify(public, message, signature)

    yield _beside("wrap 1 KB", wrap, "2 ECDH + 2 sign", two_secrets_and_two_signatures, seconds)
    yield _beside("unwrap 1 KB, all checks", unwrap, "2 ECDH + 2 verify", two_secrets_and_two_checks, seconds)


def _beside(name: str, ours: Callable[[], object], peer: str, bound: Callable[[], object], seconds: float) -> Figure:
    rates = [(_rate(ours, seconds), _rate(bound, seconds)) for _ in range(ROUNDS)]
    return Figure(name, max(rate for rate, _ in rates), "1/s", peer, max(rate for _, rate in rates))


def _rate(work: Callable[[], object], seconds: float) -> float:
    started, count = CLOCK.monotonic(), 0
    while (elapsed := CLOCK.monotonic() - started) < seconds:
        for _ in range(10):
            work()
        count += 10
    return count / elapsed

"""Making gift wraps with fresh keys, nonces and times (NIP-59)."""

from __future__ import annotations

from client.clock import Clock
from client.entropy import Entropy, draw_key
from nips import kinds
from nips.event import VerifiedEvent
from nips.keys import PublicKey
from nips.nip59 import Party, Rumor, seal_rumor, wrap_seal

LIVE_SECONDS = 30
"""How far back a wrap for somebody present is stamped at most: clients listen from a minute ago, relays refuse older
ephemeral events."""

BACKDATE_SECONDS = 2 * 86_400
"""How far back NIP-59 lets the other wraps be stamped."""


def wrap_rumor(
    rumor: Rumor,
    author: Party,
    recipient: PublicKey,
    *,
    kind: int,
    clock: Clock,
    entropy: Entropy,
    back_seconds: int = LIVE_SECONDS,
    expires_at: int | None = None,
) -> VerifiedEvent:
    """Seal and wrap a rumor for one recipient, both stamped at independent random times within `back_seconds`.

    A kind 21059 wrap is stamped now: a subscription may begin now, and relays refuse what is a minute old.
    """
    seal = seal_rumor(
        rumor,
        author,
        recipient,
        created_at=clock.now() - entropy.below(back_seconds + 1),
        nonce=entropy.draw(32),
        aux=entropy.draw(32),
    )
    return wrap_again(
        seal, recipient, kind=kind, clock=clock, entropy=entropy, back_seconds=back_seconds, expires_at=expires_at
    )


def wrap_again(
    seal: VerifiedEvent,
    recipient: PublicKey,
    *,
    kind: int,
    clock: Clock,
    entropy: Entropy,
    back_seconds: int = LIVE_SECONDS,
    expires_at: int | None = None,
) -> VerifiedEvent:
    """Put a seal into one more wrap: its author need not be asked for that, and no relay can tell that it is one."""
    return wrap_seal(
        seal,
        draw_key(entropy),
        recipient,
        kind=kind,
        created_at=wrap_time(kind, clock=clock, entropy=entropy, back_seconds=back_seconds),
        expires_at=expires_at,
        nonce=entropy.draw(32),
        aux=entropy.draw(32),
    )


def wrap_time(kind: int, *, clock: Clock, entropy: Entropy, back_seconds: int) -> int:
    """Return what time to write on a wrap: now on a live one, else a random one within `back_seconds`."""
    now = clock.now()
    return now if kind == kinds.EPHEMERAL_GIFT_WRAP else now - entropy.below(back_seconds + 1)

"""What the bridge publishes about itself.

Where it reads gift wraps (NIP-17, kind 10050), where its own events are and where others mention it (NIP-65, kind
10002: the same relays), and what it answers (NIP-89, kind 31990).
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.settings.endpoint import BridgeSettings
from client.clock import Clock
from client.entropy import Entropy
from nips import kinds
from nips.event import VerifiedEvent
from nips.keys import SecretKey
from nips.nip17 import make_inbox_relays
from nips.nip65 import RelayList, make_relay_list
from nips.nip89 import make_handler

IDENTIFIER = "switchboard"


def announcements(
    secret: SecretKey, settings: BridgeSettings, relays: Sequence[str], *, clock: Clock, entropy: Entropy
) -> list[VerifiedEvent]:
    """Return the events, made now."""
    now = clock.now()
    return [
        make_inbox_relays(secret, relays, created_at=now, aux=entropy.draw(32)),
        make_relay_list(secret, RelayList(relays, relays), created_at=now, aux=entropy.draw(32)),
        make_handler(
            secret,
            identifier=IDENTIFIER,
            handled_kinds=[kinds.BRIDGE_REQUEST],
            relays=relays,
            metadata={"name": settings.name, "about": settings.description},
            created_at=now,
            aux=entropy.draw(32),
        ),
    ]

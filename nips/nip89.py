"""NIP-89: an application tells which event kinds it answers (kind 31990)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nips import kinds
from nips.event import VerifiedEvent, sign_event
from nips.keys import SecretKey
from nips.strict_json import dump


def make_handler(
    secret: SecretKey,
    *,
    identifier: str,
    handled_kinds: Sequence[int],
    relays: Sequence[str],
    metadata: Mapping[str, object],
    created_at: int,
    aux: bytes,
) -> VerifiedEvent:
    """Return a handler event: `d`, one `k` tag a kind, where it listens, and profile metadata as content."""
    tags = [("d", identifier), *(("k", str(kind)) for kind in handled_kinds), *(("relay", url) for url in relays)]
    return sign_event(
        secret, created_at=created_at, kind=kinds.HANDLER, tags=tags, content=dump(dict(metadata)), aux=aux
    )

"""The secret that coturn and we share: made here, kept encrypted, changed in time.

Credentials are good for hours, and a restart must not end them; so the secret outlasts it, and the one before it still
counts for as long as credentials made with it do. It changes when coturn starts, never while it runs.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from client.clock import Clock
from client.entropy import Entropy
from storage.interface import Secrets

NAME = "managed_turn_secret"
"""Under which it lies among the bridge's secrets."""

_BYTES = 32


@dataclass(frozen=True, slots=True)
class TurnSecrets:
    """What credentials are signed with, and all that they may be signed with."""

    signing: str = field(repr=False)
    accepted: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SecretAges:
    """How long a secret is used."""

    change_seconds: int
    """One that is older is followed by a new one at the next occasion; not shorter than `valid_seconds`."""
    valid_seconds: int
    """How long credentials are good that were signed with it at the last moment."""


@dataclass(frozen=True, slots=True)
class _Kept:
    secret: str = field(repr=False)
    since: int
    before: str | None = field(repr=False, default=None)
    """The one that signed until `since`."""


def signing_secret(raw: bytes) -> str:
    """Return what signs now, out of what is stored."""
    return _Kept(**json.loads(raw)).secret


class TurnSecretKeeper:
    """Reads the secret, makes the first one, and changes it when it is old."""

    def __init__(self, store: Secrets, *, clock: Clock, entropy: Entropy) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy

    async def current(self, ages: SecretAges) -> TurnSecrets:
        """Return the secrets for a coturn that starts now."""
        now = self._clock.now()
        raw = await self._store.get(NAME)
        kept = _Kept(**json.loads(raw)) if raw else None
        if kept is None or now - kept.since >= ages.change_seconds:
            kept = _Kept(self._entropy.draw(_BYTES).hex(), now, kept.secret if kept else None)
            await self._store.replace(NAME, json.dumps(asdict(kept)).encode())
        is_still_used = kept.before is not None and now - kept.since <= ages.valid_seconds
        before = (kept.before,) if is_still_used and kept.before else ()
        return TurnSecrets(kept.secret, (kept.secret, *before))

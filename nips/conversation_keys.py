"""The conversation keys of one secret key (NIP-44), and which of them are worth keeping.

Making one is the dearest step of opening and of sealing, and it is the same for each wrap from or to a peer, in both
directions. So the keys of peers that come back are kept, the latest used; those of one-time keys never are.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from nips.keys import PublicKey, SecretKey
from nips.nip44 import conversation_key


class ConversationKeys:
    """What a secret key shares with its peers. It has no text form, so it cannot slip into a log."""

    __slots__ = ("_kept", "_max_kept", "secret")

    def __init__(self, secret: SecretKey, *, max_kept: int = 0) -> None:
        self.secret = secret
        self._max_kept = max_kept
        self._kept: OrderedDict[PublicKey, bytearray] = OrderedDict()

    def __repr__(self) -> str:
        return "ConversationKeys(hidden)"

    def __reduce__(self) -> Any:
        raise TypeError("conversation keys are not pickled")

    def __len__(self) -> int:
        return len(self._kept)

    def shared_with(self, peer: PublicKey) -> bytes:
        """Return the key shared with a peer, whether it is kept or not; raise `InvalidKey` off the curve."""
        kept = self._kept.get(peer)
        if kept is None:
            return conversation_key(self.secret, peer)
        self._kept.move_to_end(peer)
        return bytes(kept)

    def keep(self, peer: PublicKey, key: bytes) -> None:
        """Keep a peer's key, and drop the one that was used least lately if there is no room."""
        if peer in self._kept or not self._max_kept:
            return
        if len(self._kept) >= self._max_kept:
            _wipe(self._kept.popitem(last=False)[1])
        self._kept[peer] = bytearray(key)

    def forget(self) -> None:
        """Drop all that is kept."""
        while self._kept:
            _wipe(self._kept.popitem()[1])


def _wipe(key: bytearray) -> None:
    # Python may have made copies that nobody can reach; this one at least is gone.
    key[:] = bytes(len(key))

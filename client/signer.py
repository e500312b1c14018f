"""Whoever holds a key and uses it for us: this program, or somebody else whom it has to ask (a bunker, NIP-46).

Everything that an account's key does goes through here: sealing a request takes one encryption and one signature,
reading its answer two decryptions, and a relay that protects wraps wants one more signature for each connection. A
device's own key, registered once, does all of it from then on without anybody being asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from client.clock import Clock
from client.entropy import Entropy
from client.errors import SignerFailed
from client.wrapping import LIVE_SECONDS
from nips import kinds, nip44
from nips.conversation_keys import ConversationKeys
from nips.errors import InvalidKey, InvalidPayload, InvalidWrap
from nips.event import VerifiedEvent, sign_event
from nips.keys import PublicKey, SecretKey
from nips.nip59 import MAX_PAYLOAD, Rumor, read_rumor, read_seal, recipient_of

_MAX_KNOWN_PEERS = 8


class Signer(Protocol):
    """Acts with one key. Whatever does not come about is a `SignerFailed`."""

    @property
    def public_key(self) -> PublicKey:
        """The key."""
        ...

    async def encrypt(self, text: str, peer: PublicKey) -> str:
        """Return a NIP-44 payload for a peer."""
        ...

    async def decrypt(self, payload: str, peer: PublicKey) -> str:
        """Return the text of a peer's NIP-44 payload; raise `InvalidPayload` if it is none."""
        ...

    async def sign(self, *, created_at: int, kind: int, tags: Sequence[Sequence[str]], content: str) -> VerifiedEvent:
        """Return the event, signed and otherwise just as it was given."""
        ...


class LocalSigner:
    """A key in this program's own hands."""

    def __init__(self, secret: SecretKey, entropy: Entropy) -> None:
        self._keys = ConversationKeys(secret, max_kept=_MAX_KNOWN_PEERS)
        self._entropy = entropy

    @property
    def public_key(self) -> PublicKey:
        """The key."""
        return self._keys.secret.public_key

    async def encrypt(self, text: str, peer: PublicKey) -> str:
        """Return a NIP-44 payload for a peer."""
        key = self._shared_with(peer)
        # Whom we write to answers, and is written to again; what comes in from strangers is by one-time keys.
        self._keys.keep(peer, key)
        return nip44.encrypt(text, key, self._entropy.draw(32))

    async def decrypt(self, payload: str, peer: PublicKey) -> str:
        """Return the text of a peer's NIP-44 payload; raise `InvalidPayload` if it is none."""
        return nip44.decrypt(payload, self._shared_with(peer), max_payload=MAX_PAYLOAD)

    async def sign(self, *, created_at: int, kind: int, tags: Sequence[Sequence[str]], content: str) -> VerifiedEvent:
        """Return the event, signed."""
        aux = self._entropy.draw(32)
        return sign_event(self._keys.secret, created_at=created_at, kind=kind, tags=tags, content=content, aux=aux)

    def _shared_with(self, peer: PublicKey) -> bytes:
        try:
            return self._keys.shared_with(peer)
        except InvalidKey as error:
            raise InvalidPayload(str(error)) from None


async def seal_with(
    signer: Signer, rumor: Rumor, recipient: PublicKey, *, clock: Clock, entropy: Entropy
) -> VerifiedEvent:
    """Return the seal of the signer's own rumor, stamped as for somebody who is there."""
    if rumor.pubkey != signer.public_key:
        raise ValueError("only its author seals a rumor")
    created_at = clock.now() - entropy.below(LIVE_SECONDS + 1)
    content = await signer.encrypt(rumor.to_json(), recipient)
    seal = await signer.sign(created_at=created_at, kind=kinds.SEAL, tags=(), content=content)
    asked = (signer.public_key, created_at, kinds.SEAL, (), content)
    if (seal.pubkey, seal.created_at, seal.kind, seal.tags, seal.content) != asked:
        raise SignerFailed("what was signed is not what was asked for")
    return seal


async def open_with(signer: Signer, wrap: VerifiedEvent) -> Rumor:
    """Return the rumor inside a wrap for the signer; raise `InvalidWrap` naming the first rule that is broken."""
    if recipient_of(wrap) != signer.public_key:
        raise InvalidWrap("tags: wrapped for another key")
    author, content = read_seal(await _decrypt(signer, wrap.content, wrap.pubkey, "wrap"))
    return read_rumor(await _decrypt(signer, content, author, "seal"), author)


async def _decrypt(signer: Signer, payload: str, peer: PublicKey, layer: str) -> str:
    try:
        return await signer.decrypt(payload, peer)
    except InvalidPayload as error:
        raise InvalidWrap(f"{layer} content: {error}") from None

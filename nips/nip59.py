"""NIP-59: rumor → seal → gift wrap, and back.

The parties: an author, who signs the seal; a recipient, to whom seal and wrap are encrypted; and relays, which see a
one-time key, a recipient and a size. Kind 1059 may be stored, kind 21059 is live only.

Opening proves, in this order: the wrap's own signature (the type says so), that it is for this key alone, that the
seal's author signed it, and that the rumor is by the same author and has the id of its content. Every failure is an
`InvalidWrap` whose text names the rule; whether to tell anybody is the caller's business (it should not).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from nips import kinds, nip44
from nips.conversation_keys import ConversationKeys
from nips.errors import InvalidEvent, InvalidJson, InvalidKey, InvalidPayload, InvalidWrap
from nips.event import (
    Event,
    Tags,
    VerifiedEvent,
    check_proof,
    event_id,
    parse_content,
    parse_event,
    parse_hex,
    parse_integer,
    parse_tags,
    sign_event,
)
from nips.keys import PublicKey, SecretKey, parse_public_key
from nips.kinds import MAX_KIND
from nips.nip40 import expiration
from nips.strict_json import MAX_INTEGER, Exact, dump_exact, parse

Party = SecretKey | ConversationKeys
"""Whoever opens or seals: a secret key, or the same with the keys that it shares with known peers."""

MAX_PAYLOAD = 131_072
"""Characters of a payload that are decoded at all; larger wraps do not fit into a frame anyway."""


@dataclass(frozen=True, slots=True)
class Rumor:
    """An unsigned event out of a checked seal, or on its way into one."""

    id: str
    pubkey: PublicKey
    created_at: int
    kind: int
    tags: Tags
    content: str

    def to_json(self) -> str:
        """Return the compact JSON text; a rumor has no `sig`."""
        fields: dict[str, Exact] = {
            "id": self.id,
            "pubkey": self.pubkey,
            "created_at": self.created_at,
            "kind": self.kind,
            "tags": self.tags,
            "content": self.content,
        }
        return dump_exact(fields).decode()


@dataclass(frozen=True, slots=True)
class WrapWindow:
    """How far a wrap's `created_at` may lie from now, in seconds."""

    past_seconds: int = 2 * 86_400 + 3_600
    """Kind 1059: NIP-59 back-dates up to two days; the rest is skew."""
    future_seconds: int = 900
    ephemeral_seconds: int = 60
    """Kind 21059, either way: live events are of now."""


def make_rumor(author: PublicKey, *, created_at: int, kind: int, tags: Sequence[Sequence[str]], content: str) -> Rumor:
    """Return a rumor; make it once for all recipients, so that its id is the same everywhere."""
    frozen = tuple(tuple(tag) for tag in tags)
    return Rumor(event_id(author, created_at, kind, frozen, content), author, created_at, kind, frozen, content)


def seal_rumor(
    rumor: Rumor, author: Party, recipient: PublicKey, *, created_at: int, nonce: bytes, aux: bytes
) -> VerifiedEvent:
    """Return the seal of a rumor for one recipient; `nonce` and `aux` are 32 fresh random bytes each."""
    shared = _conversation_keys(author)
    if rumor.pubkey != shared.secret.public_key:
        raise ValueError("only its author seals a rumor")
    key = shared.shared_with(recipient)
    shared.keep(recipient, key)
    content = nip44.encrypt(rumor.to_json(), key, nonce)
    return sign_event(shared.secret, created_at=created_at, kind=kinds.SEAL, tags=(), content=content, aux=aux)


def wrap_seal(
    seal: VerifiedEvent,
    one_time: SecretKey,
    recipient: PublicKey,
    *,
    kind: int,
    created_at: int,
    expires_at: int | None,
    nonce: bytes,
    aux: bytes,
) -> VerifiedEvent:
    """Return the gift wrap of a seal; `one_time` is a fresh key, `nonce` and `aux` are 32 fresh random bytes each.

    Kind 21059 wants `created_at` of now: relays refuse ephemeral events older than a minute.
    """
    draft = draft_wrap(seal, one_time, recipient, kind=kind, expires_at=expires_at, nonce=nonce)
    return sign_event(one_time, created_at=created_at, kind=kind, tags=draft.tags, content=draft.content, aux=aux)


@dataclass(frozen=True, slots=True)
class WrapDraft:
    """What a gift wrap says, before it has a time and a signature: work can still be put into it."""

    tags: Tags
    content: str


def draft_wrap(
    seal: VerifiedEvent, one_time: SecretKey, recipient: PublicKey, *, kind: int, expires_at: int | None, nonce: bytes
) -> WrapDraft:
    """Return what the wrap of a seal says; `one_time` is a fresh key that signs it, `nonce` 32 fresh random bytes."""
    if not kinds.is_wrap(kind):
        raise ValueError("a gift wrap is of kind 1059 or 21059")
    content = nip44.encrypt(seal.to_json(), nip44.conversation_key(one_time, recipient), nonce)
    expiry = () if expires_at is None else (("expiration", str(expires_at)),)
    return WrapDraft((("p", recipient), *expiry), content)


def recipient_of(wrap: Event) -> PublicKey:
    """Return the one recipient of a wrap; raise `InvalidWrap` unless there is exactly one `p` tag with a key.

    A second `p` tag is a way past relays that admit by recipient, so it is refused wherever it stands.
    """
    if not kinds.is_wrap(wrap.kind):
        raise InvalidWrap("kind: not 1059 or 21059")
    recipients = [tag for tag in wrap.tags if tag[0] == "p"]
    if len(recipients) != 1 or len(recipients[0]) < 2:
        raise InvalidWrap("tags: not exactly one p tag")
    try:
        return parse_public_key(recipients[0][1])
    except InvalidKey:
        raise InvalidWrap("tags: the p tag is not a public key") from None


def check_times(wrap: Event, *, now: int, window: WrapWindow) -> None:
    """Refuse a wrap outside the window of its kind, or past its expiration (NIP-40)."""
    ephemeral = wrap.kind == kinds.EPHEMERAL_GIFT_WRAP
    past = window.ephemeral_seconds if ephemeral else window.past_seconds
    future = window.ephemeral_seconds if ephemeral else window.future_seconds
    if wrap.created_at < now - past:
        raise InvalidWrap(f"created_at: more than {past} seconds ago")
    if wrap.created_at > now + future:
        raise InvalidWrap(f"created_at: more than {future} seconds ahead")
    try:
        expires_at = expiration(wrap)
    except InvalidEvent as error:
        raise InvalidWrap(str(error)) from None
    if expires_at is not None and expires_at <= now:
        raise InvalidWrap("expiration: over")


def open_wrap(wrap: VerifiedEvent, recipient: Party, *, unsigned_seals: bool = False) -> Rumor:
    """Return the rumor inside a wrap for this key; raise `InvalidWrap` naming the first rule that is broken.

    With `unsigned_seals`, the seal's kind, tags, id and sig and the rumor's id and pubkey may be missing, never wrong.
    Such a seal is authenticated by its MAC alone: deniable, and forgeable by whoever holds the recipient's key.
    """
    shared = _conversation_keys(recipient)
    if recipient_of(wrap) != shared.secret.public_key:
        raise InvalidWrap("tags: wrapped for another key")
    sealed = _decrypt(wrap.content, _key_shared(shared, wrap.pubkey, "wrap"), "wrap")
    author, content = read_seal(sealed, unsigned_seals=unsigned_seals)
    key = _key_shared(shared, author, "seal")
    rumor = read_rumor(_decrypt(content, key, "seal"), author, unsigned_seals=unsigned_seals)
    # Kept only now, so that nobody is known who did not prove to be the author.
    shared.keep(author, key)
    return rumor


def read_seal(text: str, *, unsigned_seals: bool = False) -> tuple[PublicKey, str]:
    """Return author and content of the seal that was decrypted out of a wrap, for whoever decrypts elsewhere."""
    return _check_seal(_object(text, "wrap"), unsigned_seals)


def read_rumor(text: str, author: PublicKey, *, unsigned_seals: bool = False) -> Rumor:
    """Return the rumor that was decrypted out of a seal by this author."""
    return _check_rumor(_object(text, "seal"), author, unsigned_seals)


def _conversation_keys(party: Party) -> ConversationKeys:
    return party if isinstance(party, ConversationKeys) else ConversationKeys(party)


def _key_shared(shared: ConversationKeys, peer: PublicKey, layer: str) -> bytes:
    try:
        return shared.shared_with(peer)
    except InvalidKey as error:
        raise InvalidWrap(f"{layer} content: {error}") from None


def _decrypt(payload: str, key: bytes, layer: str) -> str:
    try:
        return nip44.decrypt(payload, key, max_payload=MAX_PAYLOAD)
    except InvalidPayload as error:
        raise InvalidWrap(f"{layer} content: {error}") from None


def _object(text: str, layer: str) -> dict[str, Any]:
    try:
        value = parse(text, max_bytes=MAX_PAYLOAD)
    except InvalidJson as error:
        raise InvalidWrap(f"{layer} content: {error}") from None
    if not isinstance(value, dict):
        raise InvalidWrap(f"{layer} content: not an object")
    return cast("dict[str, Any]", value)


def _check_seal(value: dict[str, Any], unsigned_seals: bool) -> tuple[PublicKey, str]:
    if unsigned_seals:
        value = {"kind": kinds.SEAL, "tags": [], **value}
    if type(value.get("kind")) is not int or value["kind"] != kinds.SEAL:
        raise InvalidWrap("seal kind: not 13")
    if value.get("tags") != []:
        raise InvalidWrap("seal tags: not empty")
    try:
        if unsigned_seals and "sig" not in value:
            return _check_unsigned_seal(value)
        if unsigned_seals and "id" not in value:
            value = {"id": _identity(value), **value}
        seal = parse_event(value)
        check_proof(seal)
    except InvalidEvent as error:
        raise InvalidWrap(f"seal {error}") from None
    return seal.pubkey, seal.content


def _check_unsigned_seal(value: dict[str, Any]) -> tuple[PublicKey, str]:
    if value.get("id", identity := _identity(value)) != identity:
        raise InvalidEvent("id: not the hash of the event")
    return PublicKey(parse_hex(value, "pubkey")), parse_content(value.get("content"))


def _check_rumor(value: dict[str, Any], author: PublicKey, may_lack: bool) -> Rumor:
    if "sig" in value:
        raise InvalidWrap("rumor sig: a rumor is not signed")
    if value.get("pubkey", author if may_lack else None) != author:
        raise InvalidWrap("rumor pubkey: not the author of the seal")
    try:
        created_at, kind, tags, content = _parse_content(value)
        identity = event_id(author, created_at, kind, tags, content)
        if value.get("id", identity if may_lack else None) != identity:
            raise InvalidEvent("id: not the hash of the event")
    except InvalidEvent as error:
        raise InvalidWrap(f"rumor {error}") from None
    return Rumor(identity, author, created_at, kind, tags, content)


def _identity(value: dict[str, Any]) -> str:
    return event_id(parse_hex(value, "pubkey"), *_parse_content(value))


def _parse_content(value: dict[str, Any]) -> tuple[int, int, Tags, str]:
    """Return what an id is over, besides the author."""
    return (
        parse_integer(value, "created_at", MAX_INTEGER),
        parse_integer(value, "kind", MAX_KIND),
        parse_tags(value.get("tags")),
        parse_content(value.get("content")),
    )

"""The proof of a device's key (kind 24393): this key wants to act for that account, at that bridge, now.

The new key signs it, the account passes it on, and a bridge takes it once. So nobody registers a key that is not
theirs, and a proof that was read by others is of no use to them: not for another account, another bridge or another
time. Field for field there is one way to make it, which leaves no room for what might be read in two ways.
"""

from __future__ import annotations

from nips import kinds
from nips.errors import InvalidEvent, InvalidProof
from nips.event import VerifiedEvent, parse_event, sign_event, verify_event
from nips.keys import PublicKey, SecretKey

PROOF_SECONDS = 600
"""How far a proof's time may be from the bridge's, both ways."""

_FIELDS = frozenset({"id", "pubkey", "created_at", "kind", "tags", "content", "sig"})


def make_device_proof(
    device: SecretKey, *, account: PublicKey, bridge: PublicKey, created_at: int, aux: bytes
) -> VerifiedEvent:
    """Return the event by which a key asks to act for an account; `aux` is 32 fresh random bytes."""
    tags = proof_tags(account, bridge)
    return sign_event(device, created_at=created_at, kind=kinds.DEVICE_PROOF, tags=tags, content="", aux=aux)


def proof_tags(account: PublicKey, bridge: PublicKey) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return the tags of a proof: these, in this order, and no others."""
    return ("p", account), ("bridge", bridge)


def check_device_proof(
    value: object, *, device: PublicKey, account: PublicKey, bridge: PublicKey, now: int
) -> VerifiedEvent:
    """Return the proof in a JSON value; raise `InvalidProof` naming the first field that is wrong.

    Whether it was used before is not its business: its id stands for it.
    """
    try:
        proof = parse_event(value)
    except InvalidEvent as error:
        raise _not_an_event(error) from None
    if proof.kind != kinds.DEVICE_PROOF:
        raise InvalidProof(f"not {kinds.DEVICE_PROOF}", field="kind")
    if proof.pubkey != device:
        raise InvalidProof("not the key of the device", field="pubkey")
    if proof.content:
        raise InvalidProof("not empty", field="content")
    if proof.tags != proof_tags(account, bridge):
        raise InvalidProof("not exactly p with the account and bridge with the bridge, in this order", field="tags")
    if abs(now - proof.created_at) > PROOF_SECONDS:
        raise InvalidProof(f"more than {PROOF_SECONDS} seconds from now", field="created_at")
    try:
        return verify_event(proof)
    except InvalidEvent as error:
        raise _not_an_event(error) from None


def _not_an_event(error: InvalidEvent) -> InvalidProof:
    field, _, rule = str(error).partition(": ")
    return InvalidProof(rule, field=field) if field in _FIELDS else InvalidProof(str(error))

"""NIP-13: work that went into an event's id."""

from __future__ import annotations

import hashlib
import re

from nips.event import Event, Tags
from nips.keys import PublicKey
from nips.strict_json import dump_exact

_BITS = 256
_TARGET = re.compile(r"0|[1-9][0-9]{0,2}", re.ASCII)


def difficulty(event_id: str) -> int:
    """Return the number of leading zero bits of an id."""
    return _BITS - int(event_id, 16).bit_length()


def committed_work(event: Event) -> int:
    """Return the bits of work that an event claims and has: its target, or fewer if it is not reached.

    Without a target in its `nonce` tag there is none. An id that happens to begin with zeros proves nothing: whoever
    makes many events for less work gets some that look like more.
    """
    targets = [tag[2] for tag in event.tags if tag[0] == "nonce" and len(tag) > 2]
    if len(targets) != 1 or not _TARGET.fullmatch(targets[0]):
        return 0
    return min(int(targets[0]), difficulty(event.id))


def mine(
    pubkey: PublicKey,
    *,
    created_at: int,
    kind: int,
    tags: Tags,
    content: str,
    bits: int,
    start: int,
    attempts: int,
) -> Tags | None:
    """Return tags with a nonce that gives an event this much work, or None if none of the nonces tried does.

    Those are `attempts` numbers from `start` on. The tags that it had come first, and no nonce is among them.
    """
    if not 0 <= bits <= _BITS:
        raise ValueError("an id has 0 to 256 bits")
    target = str(bits)
    drafted = dump_exact([0, pubkey, created_at, kind, [*tags, ("nonce", "", target)], content])
    # Inside a string each quote is escaped, so this stands nowhere but at the end of the tags.
    head, mark, tail = drafted.rpartition(b'["nonce","","%s"]],' % target.encode())
    before, after = head + b'["nonce","', mark.removeprefix(b'["nonce","') + tail
    too_much, sha256 = (1 << (_BITS - bits)), hashlib.sha256
    for nonce in range(start, start + attempts):
        if int.from_bytes(sha256(b"%b%d%b" % (before, nonce, after)).digest(), "big") < too_much:
            return (*tags, ("nonce", str(nonce), target))
    return None

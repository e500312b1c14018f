"""What the bridge and a worker say to each other, as bodies of frames.

    to the worker     first the start, then a job in each frame
    to the bridge     first READY, then an answer for each job, in their order

An answer says what came out, that a wrap does not open, or that the worker was at fault. The latter two carry no more
than the fixed text of `InvalidWrap` and the name of an exception: nothing that was inside a wrap.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from bridge.responses import read_response
from bridge.sealing import LocalSealing
from client.clock import Clock
from client.entropy import Entropy
from nips.errors import InvalidWrap
from nips.event import VerifiedEvent, parse_event
from nips.keys import PublicKey, SecretKey
from nips.nip59 import Rumor
from nips.strict_json import dump_exact, parse

READY = b"ready"

_OPEN, _WRAP = b"o", b"w"
_DONE, _INVALID, _FAULT = b"+", b"-", b"!"


class WorkerFault(Exception):
    """A worker met an error that should not be; the text is the name of its class."""


@dataclass(frozen=True, slots=True)
class Start:
    """What a worker has to know before its first job. The secret goes through the pipe and lies nowhere else."""

    secret: SecretKey
    max_known_senders: int
    unsigned_seals: bool

    def to_frame(self) -> bytes:
        """Return the body of the first frame."""
        limits = dump_exact({"max_known_senders": self.max_known_senders, "unsigned_seals": self.unsigned_seals})
        return self.secret.reveal() + limits


def read_start(frame: bytes, *, clock: Clock, entropy: Entropy) -> LocalSealing:
    """Return what does a worker's jobs."""
    limits = _parse(frame[32:])
    return LocalSealing(
        SecretKey(frame[:32]),
        clock=clock,
        entropy=entropy,
        max_known_senders=limits["max_known_senders"],
        unsigned_seals=limits["unsigned_seals"],
    )


def opening(wrap: VerifiedEvent) -> bytes:
    """Return the job of opening a wrap."""
    return _OPEN + wrap.to_json().encode()


def wrapping(rumor: Rumor, recipient: PublicKey, *, kind: int, back_seconds: int, expires_at: int | None) -> bytes:
    """Return the job of sealing and wrapping a rumor of ours."""
    return _WRAP + dump_exact([rumor.to_json(), recipient, kind, back_seconds, expires_at])


def answer(sealing: LocalSealing, job: bytes) -> bytes:
    """Do a job and return what to answer; never raises, since the next job is somebody else's."""
    try:
        if job[:1] == _OPEN:
            return _DONE + sealing.open_now(_verified(job[1:])).to_json().encode()
        rumor, recipient, kind, back_seconds, expires_at = _parse(job[1:])
        wrap = sealing.wrap_now(
            read_response(rumor), recipient, kind=kind, back_seconds=back_seconds, expires_at=expires_at
        )
        return _DONE + wrap.to_json().encode()
    except InvalidWrap as error:
        return _INVALID + str(error).encode()
    except Exception as error:
        return _FAULT + type(error).__name__.encode()


def read_opened(answered: bytes) -> Rumor:
    """Return the rumor that came out of a wrap; raise `InvalidWrap` if none did."""
    return read_response(_result(answered).decode())


def read_wrapped(answered: bytes) -> VerifiedEvent:
    """Return the wrap that was made."""
    return _verified(_result(answered))


def _result(answered: bytes) -> bytes:
    verdict, rest = answered[:1], answered[1:]
    if verdict == _INVALID:
        raise InvalidWrap(rest.decode())
    if verdict != _DONE:
        raise WorkerFault(rest.decode())
    return rest


def _verified(text: bytes) -> VerifiedEvent:
    # The other end of the pipe has verified it, or signed it.
    event = parse_event(_parse(text))
    return VerifiedEvent(event.id, event.pubkey, event.created_at, event.kind, event.tags, event.content, event.sig)


def _parse(text: bytes) -> Any:
    return parse(text.decode(), max_bytes=sys.maxsize)

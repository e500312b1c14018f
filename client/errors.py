"""Everything that the client library raises beside the errors of `nips`.

ClientError
├── LinkFull             a link holds no more subscriptions or publications
└── CallFailed           a request to a bridge brought no result
    ├── BridgeRefusal      the bridge answered with an error
    ├── InvalidResponse    the bridge answered with something that is no response
    ├── BridgeSilent       no answer came in time
    ├── BridgeUnreachable  no relay takes the request, or gives us the answer
    ├── TooManyCalls       too many requests wait for an answer
    └── SignerFailed       whoever holds the key did not do what we asked
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from client.publications import Verdict


class ClientError(Exception):
    """Something the client library cannot do."""


class LinkFull(ClientError):
    """More subscriptions or publications than a link holds."""


class CallFailed(ClientError):
    """A request to a bridge brought no result."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The error of a response, as the bridge sent it."""

    code: str
    status: int
    message: str
    """For people; the code says which text it is."""
    retry: bool
    """Whether the same request may succeed later."""
    retry_after: int | None = None
    """Seconds until then, where the bridge knows."""
    field: str | None = None
    """What was wrong: a JSON pointer into the request's content, or `created_at`."""
    pow_bits: int | None = None
    """Work (NIP-13) that the wrap needs."""
    data: Mapping[str, Any] | None = dataclasses.field(default=None, repr=False)


class BridgeRefusal(CallFailed):
    """The bridge answered with an error."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.code} ({refusal.status}): {refusal.message}")
        self.refusal = refusal


class InvalidResponse(CallFailed):
    """The bridge answered with something that is no response of its contract."""


class BridgeSilent(CallFailed):
    """No answer came in time. The request may have been carried out: asking again needs a request of its own."""

    def __init__(self, seconds: float, verdicts: Mapping[str, Verdict]) -> None:
        took = sum(verdict.is_accepted for verdict in verdicts.values())
        reached = f"{took} of {len(verdicts)} relays that were reached took the request"
        super().__init__(f"no answer within {seconds:g} seconds; {reached}")
        self.verdicts = dict(verdicts)
        """What each relay said last, by its URL; those that are missing were never reached."""


class BridgeUnreachable(CallFailed):
    """No relay takes the request, or gives us the answer."""

    def __init__(self, verdicts: Mapping[str, Verdict]) -> None:
        super().__init__("no relay takes the request or gives us the answer")
        self.verdicts = dict(verdicts)
        """What each relay said, by its URL."""


class TooManyCalls(CallFailed):
    """Too many requests wait for an answer."""


class SignerFailed(CallFailed):
    """Whoever holds the key did not use it for us: refused, was silent, or did something else."""

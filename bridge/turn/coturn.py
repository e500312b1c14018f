"""Credentials for coturn's `use-auth-secret`: computed here, checked there, nothing stored.

    username = <unix expiry>:<user part>      password = base64( HMAC-SHA1( secret, username ) )

coturn counts quotas by the user part and tests the expiry when a session first authenticates: an allocation outlives
its credential. It tries each of its secrets in turn, which is how one is rotated: give coturn the new one beside the
old, put the new one first here, and take the old one away when the last credential made with it has expired.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from bridge.turn.provider import TurnCredentials

# coturn takes anything after the colon; a name of our own shape keeps its logs and quotas clean.
_USER = re.compile(r"[0-9a-f]{16,64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoturnProvider:
    """Signs user names with a secret shared with coturn."""

    secret: bytes = field(repr=False)
    urls: Sequence[str]
    ttl_seconds: int
    name: str = "coturn"

    def __post_init__(self) -> None:
        if not self.secret:
            raise ValueError("the secret shared with coturn is not empty")

    async def credentials(self, *, user: str, now: int) -> TurnCredentials:
        """Return credentials that coturn lets in until `ttl_seconds` from now."""
        username = coturn_username(user, now + self.ttl_seconds)
        return TurnCredentials(username, coturn_password(self.secret, username), tuple(self.urls), self.ttl_seconds)


def coturn_username(user: str, expires_at: int) -> str:
    """Return the user name for a user part of 16 to 64 hex digits."""
    if not _USER.fullmatch(user):
        raise ValueError("a TURN user part is 16 to 64 hex digits")
    return f"{expires_at}:{user}"


def coturn_password(secret: bytes, username: str) -> str:
    """Return the password that coturn computes for a user name. SHA-1 is all that it takes in this place."""
    return base64.b64encode(hmac.digest(secret, username.encode(), "sha1")).decode("ascii")

"""Providers over HTTP as tests make them: with the accounts of `tests.support.turn_apis`."""

from __future__ import annotations

from typing import Final

from bridge.http import Fetch
from bridge.turn.cloudflare import CloudflareProvider
from bridge.turn.metered import MeteredProvider
from bridge.turn.provider import TurnProvider
from bridge.turn.replies import Terms
from bridge.turn.twilio import TwilioProvider
from bridge.turn.xirsys import XirsysProvider
from tests.support.turn_apis import ACCOUNT_SID, CHANNEL, IDENT, KEY_ID, KEY_SID, SECRET

REMOTE: Final = ("cloudflare", "twilio", "metered", "xirsys")
USER: Final = "0" * 32


def terms(http: Fetch, *, urls: tuple[str, ...] = (), requested: int = 2000, told: int = 1000) -> Terms:
    """Return what is asked for."""
    return Terms(http=http, urls=urls, requested_seconds=requested, told_seconds=told, deadline_seconds=5)


def a_provider(name: str, endpoint: str, asked_for: Terms, *, secret: str = SECRET) -> TurnProvider:
    """Return a provider that knows the secret of its account."""
    match name:
        case "cloudflare":
            return CloudflareProvider(terms=asked_for, endpoint=endpoint, key_id=KEY_ID, token=secret)
        case "twilio":
            return TwilioProvider(
                terms=asked_for, endpoint=endpoint, account_sid=ACCOUNT_SID, key_sid=KEY_SID, token=secret
            )
        case "metered":
            return MeteredProvider(terms=asked_for, endpoint=endpoint, secret_key=secret)
        case "xirsys":
            return XirsysProvider(terms=asked_for, endpoint=endpoint, channel=CHANNEL, ident=IDENT, secret=secret)
        case _:
            raise ValueError(name)

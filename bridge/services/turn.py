"""`turn.get_credentials`: access to TURN servers for one account (protocol.md §3, §4).

The provider learns an opaque name for the day, never the account; nothing that is handed out is logged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.callers import DAY, AccountCaller, Caller
from bridge.errors import Unauthorized
from bridge.pseudonyms import Pseudonyms
from bridge.services.service import Fact, Outcome, Params
from bridge.turn.chain import Granted, ProviderChain
from client.clock import Clock


@dataclass(frozen=True, slots=True)
class TurnGetCredentials:
    """Answers `turn.get_credentials`."""

    chain: ProviderChain
    pseudonyms: Pseudonyms
    clock: Clock
    ttl_seconds: int
    """How long clients are told to use the credentials; providers are asked for at least as long."""
    stun_urls: Sequence[str]
    hostnames: Mapping[str, str | None]
    """Host name to tell for each provider."""

    async def __call__(self, params: Params, caller: Caller) -> Outcome:
        """Return fresh credentials, or raise `ProviderFailed`."""
        if not isinstance(caller, AccountCaller):
            raise Unauthorized("no account")
        now = self.clock.now()
        user = self.pseudonyms.of_turn_user(caller.account.pubkey, now // DAY)
        granted = await self.chain.credentials(user=user, now=now)
        issued = Fact("call_relay.credentials_issued", {"turn_ttl_seconds": self.ttl_seconds})
        return Outcome(self._result(granted, relay_only=bool(params.get("relay_only", False))), [issued])

    def _result(self, granted: Granted, *, relay_only: bool) -> dict[str, Any]:
        credentials = granted.credentials
        urls = list(credentials.urls)
        stun: list[dict[str, Any]] = [{"urls": list(self.stun_urls)}] if self.stun_urls and not relay_only else []
        turn = {"urls": urls, "username": credentials.username, "credential": credentials.password}
        return {
            "turn_username": credentials.username,
            "turn_password": credentials.password,
            "turn_ttl_seconds": self.ttl_seconds,
            "turn_urls": urls,
            "turn_urls_with_ips": [],
            "turn_hostname": self.hostnames.get(granted.provider),
            "ice_servers": [*stun, turn],
            "ice_transport_policy": "relay" if relay_only else "all",
        }

"""`turn.get_credentials`: access to TURN servers for one account (protocol.md §3, §4).

The provider learns an opaque name for the day, never the account; nothing that is handed out is logged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge.callers import DAY, AccountCaller, Caller
from bridge.errors import NoProvider, Unauthorized
from bridge.pseudonyms import Pseudonyms
from bridge.services.service import Fact, Outcome, Params
from bridge.turn.addresses import RelayAddresses, fill
from bridge.turn.chain import Granted, ProviderChain
from bridge.turn.names import Names
from bridge.turn.rules import RelayRules
from client.clock import Clock
from nips.keys import PublicKey


class TurnGetCredentials:
    """Answers `turn.get_credentials`."""

    def __init__(
        self, rules: RelayRules, *, chain: ProviderChain, names: Names, pseudonyms: Pseudonyms, clock: Clock
    ) -> None:
        self._rules = rules
        self._chain = chain
        self._names = names
        self._pseudonyms = pseudonyms
        self._clock = clock

    def adopt(self, rules: RelayRules) -> None:
        """Go by other rules from the next request on."""
        self._rules = rules

    @property
    def is_offered(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self._chain.names or self._rules.stun_urls)

    async def __call__(self, params: Params, caller: Caller) -> Outcome:
        """Return fresh credentials, or raise `ProviderFailed`."""
        if not isinstance(caller, AccountCaller):
            raise Unauthorized("no account")
        rules, relay_only = self._rules, bool(params.get("relay_only", False))
        if not self._chain.names:
            return Outcome(_stun_only(rules, relay_only=relay_only))
        account, now = PublicKey(caller.account.pubkey), self._clock.now()
        granted = await self._chain.credentials(user=self._pseudonyms.of_turn_user(account, now // DAY), now=now)
        addresses = self._addresses(rules, granted, account)
        known = await self._names.addresses_of(addresses.hostname) if addresses.patterns and addresses.hostname else ()
        result = _result(rules, granted, addresses, fill(addresses.patterns, known), relay_only=relay_only)
        issued = Fact("call_relay.credentials_issued", {"turn_ttl_seconds": result["turn_ttl_seconds"]})
        return Outcome(result, [issued])

    def _addresses(self, rules: RelayRules, granted: Granted, account: PublicKey) -> RelayAddresses:
        experiment = rules.experiment
        if experiment and experiment.is_about(granted.provider) and experiment.enrolls(account, self._pseudonyms):
            return experiment.addresses.with_urls_of(granted.credentials.urls)
        configured = rules.addresses.get(granted.provider, RelayAddresses())
        return configured.with_urls_of(granted.credentials.urls)


def _result(
    rules: RelayRules, granted: Granted, addresses: RelayAddresses, urls_with_ips: list[str], *, relay_only: bool
) -> dict[str, Any]:
    credentials, urls = granted.credentials, list(addresses.urls)
    valid = rules.ttl_seconds if credentials.valid_seconds is None else credentials.valid_seconds
    turn = {"urls": urls, "username": credentials.username, "credential": credentials.password}
    return {
        "turn_username": credentials.username,
        "turn_password": credentials.password,
        "turn_ttl_seconds": min(rules.ttl_seconds, valid),
        "turn_urls": urls,
        "turn_urls_with_ips": urls_with_ips,
        "turn_hostname": addresses.hostname,
        # By name only: a browser checks a certificate against the host that it was given.
        "ice_servers": [turn] if relay_only else [*_stun(rules.stun_urls or credentials.stun_urls), turn],
        "ice_transport_policy": "relay" if relay_only else "all",
    }


def _stun_only(rules: RelayRules, *, relay_only: bool) -> dict[str, Any]:
    if relay_only:
        raise NoProvider
    return {
        "turn_username": "",
        "turn_password": "",
        "turn_ttl_seconds": rules.ttl_seconds,
        "turn_urls": [],
        "turn_urls_with_ips": [],
        "turn_hostname": None,
        "ice_servers": _stun(rules.stun_urls),
        "ice_transport_policy": "all",
    }


def _stun(urls: Sequence[str]) -> list[dict[str, Any]]:
    return [{"urls": list(urls)}] if urls else []

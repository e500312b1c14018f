"""Who is calling: from an authenticated key to an account on a device, or to an anonymous caller (protocol.md §2)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from bridge.errors import Forbidden, Unauthorized, Unavailable
from bridge.settings.accounts import Admission
from client.clock import Clock
from client.entropy import Entropy
from nips.keys import PublicKey
from protocol.catalogue import Method
from storage.account_interface import Account, Accounts, AdmissionFailed, Device, NewAccount

DAY = 86_400


@dataclass(frozen=True, slots=True)
class AccountCaller:
    """An admitted account, acting through one of its devices."""

    account: Account
    device: Device


@dataclass(frozen=True, slots=True)
class AnonymousCaller:
    """A key without an account, calling a method that allows it."""

    pubkey: PublicKey


Caller = AccountCaller | AnonymousCaller


@dataclass(frozen=True, slots=True)
class AdmissionRules:
    """The operator's decisions about who may have an account."""

    admission: Admission
    allowed: Collection[PublicKey]
    blocked: Collection[PublicKey]
    max_accounts: int


class Door:
    """Decides who is let in."""

    def __init__(self, accounts: Accounts, rules: AdmissionRules, clock: Clock, entropy: Entropy) -> None:
        self.rules = rules
        self._accounts = accounts
        self._clock = clock
        self._entropy = entropy

    def adopt(self, rules: AdmissionRules) -> None:
        """Decide by other rules from the next request on."""
        self.rules = rules

    async def known(self, key: PublicKey) -> AccountCaller | None:
        """Return the account for which a key acts, if there is one."""
        found = await self._accounts.find(key)
        return AccountCaller(*found) if found else None

    async def admit(self, key: PublicKey, known: AccountCaller | None, method: Method) -> Caller:
        """Return the caller, making the account of an admitted key; raise `Forbidden`, `Unauthorized`, `Unavailable`.

        An allowlist says who may call, not only who may join: a key taken off it is refused from then on.
        """
        owner = PublicKey(known.account.pubkey) if known else key
        if owner in self.rules.blocked:
            raise Forbidden("blocked by the operator")
        if self.rules.admission is Admission.ALLOWLIST and owner not in self.rules.allowed:
            return _anonymous(key, method)
        if known:
            return known
        if method.stranger:
            return AnonymousCaller(key)
        return await self._join(key)

    async def _join(self, key: PublicKey) -> AccountCaller:
        device_id = str(UUID(bytes=self._entropy.draw(16), version=4))
        new = NewAccount(key, self._entropy.draw(16), device_id, self._clock.now())
        joined = await self._accounts.admit(new, max_accounts=self.rules.max_accounts)
        if joined is AdmissionFailed.FULL:
            raise Unavailable("max_accounts reached")
        if isinstance(joined, AdmissionFailed):
            raise Unauthorized(joined)
        return AccountCaller(*joined)


def _anonymous(key: PublicKey, method: Method) -> AnonymousCaller:
    if not method.stranger:
        raise Unauthorized("not on the allowlist")
    return AnonymousCaller(key)

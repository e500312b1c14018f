"""Who is calling: from an authenticated key to an account on a device, or to an anonymous caller (protocol.md §2)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from bridge.errors import Forbidden, Unauthorized
from bridge.newcomers import JoiningRules, Newcomers, Offer
from bridge.settings.accounts import Admission
from nips.keys import PublicKey
from protocol.catalogue import Method
from storage.account_interface import Account, Accounts, Device, Standing
from storage.interface import Dossier

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


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A key that asks to be registered for an account of its own; `Door.join` makes it, once the key is proved."""

    pubkey: PublicKey
    offer: Offer


Caller = AccountCaller | AnonymousCaller | Newcomer


@dataclass(frozen=True, slots=True)
class AdmissionRules:
    """The operator's decisions about who may have an account."""

    admission: Admission
    allowed: Collection[PublicKey]
    blocked: Collection[PublicKey]
    auto_register: bool
    """Whether any first request makes the account, or only the registration of the key itself."""
    joining: JoiningRules


class ListedKeys(Protocol):
    """Keys that others list for us, and that are looked up beforehand."""

    def __contains__(self, key: object) -> bool:
        """Tell whether a key is listed, at once."""
        ...


class Door:
    """Decides who is let in."""

    def __init__(
        self, accounts: Accounts, newcomers: Newcomers, rules: AdmissionRules, *, listed: ListedKeys = frozenset()
    ) -> None:
        """Take the keys of the domains that the operator allows, too."""
        self._accounts = accounts
        self._newcomers = newcomers
        self._listed = listed
        self._rules = rules

    def adopt(self, rules: AdmissionRules) -> None:
        """Decide by other rules from the next request on."""
        self._newcomers.adopt(rules.joining)
        self._rules = rules

    @property
    def admission(self) -> Admission:
        """The word for who becomes an account."""
        return self._rules.admission

    async def pow_bits(self) -> int:
        """Return the work that a new account costs at the moment; 0: none."""
        return await self._newcomers.pow_bits(self._rules.admission)

    async def known(self, key: PublicKey) -> AccountCaller | None:
        """Return the account for which a key acts, if there is one."""
        found = await self._accounts.find(key)
        return AccountCaller(*found) if found else None

    async def admit(self, key: PublicKey, dossier: Dossier, method: Method, offer: Offer) -> Caller:
        """Return the caller, making the account of a key that meets the terms.

        An allowlist says who may call, not only who may join: a key taken off it is refused from then on. Raise
        `Forbidden`, `Unauthorized`, `PowRequired`, `Unavailable`. Methods that let in callers who bring an
        authorisation of their own (`Method.anonymous`) get theirs as `AnonymousCaller`, before any account is made.
        """
        owner = PublicKey(dossier.caller[0].pubkey) if dossier.caller else key
        if dossier.standing is Standing.BLOCKED or owner in self._rules.blocked or key in self._rules.blocked:
            raise Forbidden("blocked by the operator")
        if dossier.standing is Standing.REVOKED or not self._may_call(owner):
            return _anonymous(key, method)
        if dossier.caller:
            return AccountCaller(*dossier.caller)
        if method.stranger:
            return AnonymousCaller(key)
        if self._rules.auto_register:
            return await self.join(key, offer)
        if not offer.is_registration:
            raise Unauthorized("not registered")
        return Newcomer(key, offer)

    def _may_call(self, owner: PublicKey) -> bool:
        return self._rules.admission is not Admission.ALLOWLIST or owner in self._rules.allowed or owner in self._listed

    async def join(self, key: PublicKey, offer: Offer) -> AccountCaller:
        """Make the account of a key that meets the terms; raise what `admit` raises."""
        return AccountCaller(*await self._join(key, offer))

    async def _join(self, key: PublicKey, offer: Offer) -> tuple[Account, Device]:
        match self._rules.admission:
            case Admission.OPEN:
                return await self._newcomers.join_openly(key, offer)
            case Admission.INVITE:
                return await self._newcomers.join_invited(key, offer)
            case Admission.ALLOWLIST:
                return await self._newcomers.join_freely(key)


def _anonymous(key: PublicKey, method: Method) -> AnonymousCaller:
    if not method.stranger:
        raise Unauthorized("no device of an account that may call")
    return AnonymousCaller(key)

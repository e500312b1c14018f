"""The part of the storage's door that is about accounts: who may call, through which keys, and who invited them.

What a request changes about an account is an `Effect`: it is carried out in the transaction that records the answer, so
that after a crash there are both or neither, and a repeat of the request finds the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from storage.permits import Permit

DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class Account:
    """An admitted Nostr key."""

    number: int
    pubkey: str
    pni_salt: bytes
    """16 random bytes, made once (protocol.md §2)."""
    admitted_day: int


@dataclass(frozen=True, slots=True)
class Device:
    """A key that may act for an account."""

    device_id: str
    """UUID text."""
    pubkey: str
    name: str
    platform: str | None
    is_primary: bool
    registered_day: int
    last_seen_day: int


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What an account and its primary device are made of."""

    pubkey: str
    pni_salt: bytes
    device_id: str
    now: int

    @property
    def day(self) -> int:
        """Midnight before `now`."""
        return self.now // DAY_SECONDS * DAY_SECONDS


class AdmissionFailed(StrEnum):
    """Why no account was made."""

    FULL = "full"
    """There are as many as there may be."""
    INVITE_UNKNOWN = "invite_unknown"
    """There is no such invite, or it is over, or was used as often as it may be."""
    BUDGET = "budget"
    """The permit that it was to be made with is gone."""
    REVOKED = "revoked"
    """The key was a device that was revoked, and is refused until somebody registers it anew."""


class Standing(StrEnum):
    """Whether a key may ask at all."""

    FREE = "free"
    REVOKED = "revoked"
    """It was a device, and was revoked."""
    BLOCKED = "blocked"
    """The operator blocked it, or the account for which it acts."""


@dataclass(frozen=True, slots=True)
class AccountOverview:
    """What an operator sees of an account in a list."""

    account: Account
    devices: int
    last_seen_day: int
    is_blocked: bool


# --- What a request changes


@dataclass(frozen=True, slots=True)
class Acting:
    """The device of an account that asks. Nothing is recorded if it may not act for the account any more."""

    account: int
    device_id: str
    seen_day: int | None = None
    """Becomes its `last_seen_day`, if that is to change."""


@dataclass(frozen=True, slots=True)
class RegisterDevice:
    """Let a key act for an account, or rename it if it does.

    A key that is an account of its own with no other device is absorbed: that account goes, and its stored answers are
    the new account's.
    """

    account: int
    device: Device
    """As it shall be. To rename is to keep the `device_id`."""
    proof_id: str
    proof_until: int
    """Until when it is remembered that the proof was used."""
    max_devices: int


@dataclass(frozen=True, slots=True)
class RevokeDevice:
    """Let a key act no more, and erase the answers that wait for it. It stays refused until it is registered anew."""

    account: int
    device_id: str


@dataclass(frozen=True, slots=True)
class DeleteAccount:
    """Erase everything about an account but keyed hashes of what must outlive it (protocol.md §2)."""

    account: int
    until: int
    """What its keys asked, wrote or were sent up to this time does not come back."""


@dataclass(frozen=True, slots=True)
class SetAccessKey:
    """Set the key by which others reach an account without saying who they are, or take it away."""

    account: int
    key: bytes | None = field(repr=False)


Effect = RegisterDevice | RevokeDevice | DeleteAccount | SetAccessKey


class EffectRefusal(StrEnum):
    """Why an effect cannot be; then nothing else is recorded either."""

    PROOF_USED = "proof_used"
    TAKEN = "taken"
    """The key acts for another account, or is an account with other devices."""
    LIMIT = "limit"
    UNKNOWN = "unknown"
    """The account has no such device."""
    PRIMARY = "primary"
    """The primary device is not revoked; the account is deleted."""
    CHANGED = "changed"
    """What the answer was formed from is not so any more: form it anew."""


# --- Invites


@dataclass(frozen=True, slots=True)
class Invite:
    """A code that lets some keys in."""

    number: int
    code: str = field(repr=False)
    uses: int
    """How many accounts may be made with it in all."""
    uses_left: int
    expires_at: int | None
    note: str
    created_day: int

    def can_be_used(self, *, now: int) -> bool:
        """Tell whether it still lets somebody in."""
        return self.uses_left > 0 and (self.expires_at is None or self.expires_at > now)


class Accounts(Protocol):
    """Who may call."""

    async def find(self, device_pubkey: str) -> tuple[Account, Device] | None:
        """Return the account for which a key may act, and the device it is."""

    async def admit(
        self, new: NewAccount, *, max_accounts: int, invite: str | None = None, budget: Permit | None = None
    ) -> tuple[Account, Device] | AdmissionFailed:
        """Make an account with its primary device, or return the one that is there.

        One that is made uses up one use of an invite, and takes a permit, as far as these are given.
        """

    async def devices(self, account: int) -> Sequence[Device]:
        """Return an account's devices, the primary first."""

    async def delete(self, account: int, *, now: int) -> Sequence[str]:
        """Do what `DeleteAccount` does; return the keys that acted for it, none if there is no such account."""

    async def access_key(self, account: int) -> bytes | None:
        """Return the key by which others reach an account without saying who they are."""

    async def block(self, pubkey: str) -> bool:
        """Refuse a key, and the account that it is; tell whether it was not blocked. It stays so whatever is deleted.

        Past `storage.max_blocked_keys` it raises `StorageFull`.
        """

    async def unblock(self, pubkey: str) -> bool:
        """Take a block back; tell whether there was one."""

    async def is_blocked(self, pubkey: str) -> bool:
        """Tell whether a key is blocked by itself."""

    async def count(self) -> int:
        """Return how many accounts there are."""

    async def count_blocked_strangers(self) -> int:
        """Return how many keys are blocked that are no accounts; which these are, keyed hashes do not tell."""

    async def overview(
        self, *, after: int = 0, limit: int = 100, only_blocked: bool = False
    ) -> Sequence[AccountOverview]:
        """Return accounts in order of their numbers, those above `after`."""
        ...


class Invites(Protocol):
    """Codes that let keys in under `accounts.admission = "invite"`."""

    async def create(
        self, code: str, *, uses: int, expires_at: int | None, note: str, now: int, max_invites: int
    ) -> Invite | None:
        """Keep a new invite; None when there are `max_invites` that can still be used."""

    async def revoke(self, number: int) -> bool:
        """Let an invite be used no more; tell whether there was one."""

    async def all(self) -> Sequence[Invite]:
        """Return those that are kept, oldest first, among them some that cannot be used any more."""
        ...

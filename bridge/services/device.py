"""`device.register`, `device.list`, `device.revoke`: the keys that may act for an account (protocol.md §2).

Nothing is changed here: what a request changes is recorded with its answer, or refused there for what is so by then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from bridge.callers import DAY, AccountCaller, Caller, Newcomer
from bridge.errors import DeviceProofInvalid, Unauthorized
from bridge.newcomers import Offer
from bridge.services.account import device_result
from bridge.services.service import Outcome, Params
from client.clock import Clock
from client.entropy import Entropy
from nips.device_proof import PROOF_SECONDS, check_device_proof
from nips.errors import InvalidProof
from nips.event import VerifiedEvent
from nips.keys import PublicKey
from storage.account_interface import Account, Accounts, Device, RegisterDevice, RevokeDevice

Join = Callable[[PublicKey, Offer], Awaitable[AccountCaller]]
"""Make the account of a key that meets the terms."""

MAX_DEVICES: Final = 6
"""Of one account, the primary included (protocol.md §2)."""


@dataclass(frozen=True, slots=True)
class DeviceRegister:
    """Answers `device.register`."""

    accounts: Accounts
    join: Join
    bridge: PublicKey
    clock: Clock
    entropy: Entropy

    async def __call__(self, params: Params, caller: Caller) -> Outcome:
        """Let a key act for the caller's account, or rename it if it does; raise `DeviceProofInvalid`.

        A newcomer's account is made first, once the proof is right. Should the rest fail, it is there and has no name.
        """
        now = self.clock.now()
        if isinstance(caller, Newcomer):
            proof = self._proof(params, caller.pubkey, now)
            account = (await self.join(caller.pubkey, caller.offer)).account
        else:
            account = _account(caller)
            proof = self._proof(params, PublicKey(account.pubkey), now)
        device = await self._device(params, account, now)
        effect = RegisterDevice(
            account.number,
            device,
            proof_id=proof.id,
            # It is too old by then even for a clock that was set back as far as a proof may be ahead.
            proof_until=proof.created_at + 2 * PROOF_SECONDS,
            max_devices=MAX_DEVICES,
        )
        return Outcome({"device": device_result(device)}, effect=effect)

    def _proof(self, params: Params, account: PublicKey, now: int) -> VerifiedEvent:
        try:
            return check_device_proof(
                params["proof"],
                device=PublicKey(params["device_pubkey"]),
                account=account,
                bridge=self.bridge,
                now=now,
            )
        except InvalidProof as invalid:
            raise DeviceProofInvalid(f"/params/proof/{invalid.field}".removesuffix("/")) from None

    async def _device(self, params: Params, account: Account, now: int) -> Device:
        """Return the device as it shall be: a new one, or the one that is there under its new name."""
        key, name = params["device_pubkey"], params["name"]
        for known in await self.accounts.devices(account.number):
            if known.pubkey == key:
                return replace(known, name=name, platform=params.get("platform", known.platform))
        today, device_id = now // DAY * DAY, str(UUID(bytes=self.entropy.draw(16), version=4))
        return Device(device_id, key, name, params.get("platform"), False, today, today)


@dataclass(frozen=True, slots=True)
class DeviceList:
    """Answers `device.list`."""

    accounts: Accounts

    async def __call__(self, params: Params, caller: Caller) -> Outcome:
        """Return the devices of the caller's account, the primary first."""
        devices = await self.accounts.devices(_account(caller).number)
        return Outcome({"devices": [device_result(device) for device in devices]})


@dataclass(frozen=True, slots=True)
class DeviceRevoke:
    """Answers `device.revoke`."""

    async def __call__(self, params: Params, caller: Caller) -> Outcome:
        """Have a device of the caller's account act for it no more; it may be the caller's own."""
        return Outcome({"revoked": True}, effect=RevokeDevice(_account(caller).number, params["device_id"]))


def _account(caller: Caller) -> Account:
    if not isinstance(caller, AccountCaller):
        raise Unauthorized("no account")
    return caller.account

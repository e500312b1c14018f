"""What an account does with itself: `account.get`, `account.delete`, `account.set_access_key` (protocol.md §2, §3)."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass

from bridge.callers import AccountCaller, Caller
from bridge.errors import Unauthorized
from bridge.identifiers import aci_of, pni_of
from bridge.permits import AccountPermits
from bridge.services.info import bucket_figures
from bridge.services.service import Outcome, Params
from client.clock import Clock
from nips.keys import PublicKey
from storage.account_interface import DeleteAccount, SetAccessKey
from storage.interface import Accounts, Device


@dataclass(frozen=True, slots=True)
class AccountGet:
    """Answers `account.get`."""

    accounts: Accounts
    permits: AccountPermits

    async def __call__(self, params: Params, caller: Caller) -> Outcome:
        """Return the caller's account; the permit for this very request counts as taken."""
        if not isinstance(caller, AccountCaller):
            raise Unauthorized("no account")
        account = caller.account
        pubkey = PublicKey(account.pubkey)
        remaining = await self.permits.remaining(account.number)
        result = {
            "account": {
                "pubkey": pubkey,
                "aci": str(aci_of(pubkey)),
                "pni": str(pni_of(pubkey, account.pni_salt)),
                "admitted_day": account.admitted_day,
            },
            "devices": [device_result(device) for device in await self.accounts.devices(account.number)],
            "limits": {
                limiter: {**bucket_figures(bucket), "remaining": remaining[limiter]}
                for limiter, bucket in self.permits.buckets.items()
            },
        }
        return Outcome(result)


@dataclass(frozen=True, slots=True)
class AccountDelete:
    """Answers `account.delete`."""

    clock: Clock

    async def __call__(self, params: Params, caller: Caller) -> Outcome:
        """Have the caller's account erased together with the answer."""
        if not isinstance(caller, AccountCaller):
            raise Unauthorized("no account")
        return Outcome({"deleted": True}, effect=DeleteAccount(caller.account.number, self.clock.now()))


async def set_access_key(params: Params, caller: Caller) -> Outcome:
    """Answer `account.set_access_key`: have the key set, or taken away, together with the answer."""
    if not isinstance(caller, AccountCaller):
        raise Unauthorized("no account")
    text = params["unidentified_access_key"]
    key = None if text is None else b64decode(text, validate=True)
    return Outcome({"set": True}, effect=SetAccessKey(caller.account.number, key))


def device_result(device: Device) -> dict[str, object]:
    """Return a device as it is told to clients."""
    return {
        "device_id": device.device_id,
        "device_pubkey": device.pubkey,
        "name": device.name,
        "platform": device.platform,
        "primary": device.is_primary,
        "registered_day": device.registered_day,
        "last_seen_day": device.last_seen_day,
    }

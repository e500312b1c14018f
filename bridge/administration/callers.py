"""Commands about callers: accounts, blocks and invites.

Accounts are told by their pseudonyms, as the log tells them; public keys come out only when they are asked for.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bridge.administration.command import Argument, Command
from bridge.administration.messages import CommandRefused, Json
from bridge.logs import where
from bridge.pseudonyms import Pseudonyms
from client.clock import Clock
from client.entropy import Entropy
from nips.errors import InvalidEntity
from nips.keys import PublicKey
from nips.nip19 import encode_npub, parse_public_key_text
from storage.account_interface import Account, AccountOverview, Accounts, Device, Invite, Invites
from storage.errors import StorageError

log = logging.getLogger(__name__)

PAGE: Final = 500
"""Accounts that are read at once."""

MAX_LISTED: Final = 1000
MAX_NOTE: Final = 200
MAX_USES: Final = 1_000_000
MAX_SECONDS: Final = 315_360_000
"""Longest time that an invite may hold, in seconds: ten years."""
MAX_NUMBER: Final = 2**53 - 1
"""Largest number of an invite; JSON keeps no larger one exact."""

_NO_ACCOUNT: Final = "account: that key has none here"
_BLOCKED: Final = "this key is blocked"
_CODE_BYTES: Final = 16
_PSEUDONYM_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class Callers:
    """What commands about callers work on; a bridge need not run."""

    accounts: Accounts
    invites: Invites
    pseudonyms: Pseudonyms
    clock: Clock
    entropy: Entropy
    max_invites: Callable[[], int]
    dismiss: Callable[[Collection[str], str], int] = lambda keys, reason: 0
    """Closes the connections that proved one of these keys, and tells how many; none where no bridge runs."""
    forget: Callable[[Collection[str]], None] = lambda keys: None
    """Lets no answer reach these keys any more that is on its way."""

    async def find(self, text: str) -> tuple[PublicKey, Account | None]:
        """Return the key that an operator names, and the account for which it acts; raise `CommandRefused`."""
        if len(text) == _PSEUDONYM_DIGITS:
            async for overview in self.overviews():
                if self.pseudonyms.of_account(overview.account.pubkey) == text:
                    return PublicKey(overview.account.pubkey), overview.account
            raise CommandRefused([f"account: there is none with the pseudonym {text!r}"])
        try:
            key = parse_public_key_text(text)
        except InvalidEntity:
            raise CommandRefused(["account: use a pseudonym of 16 hex digits, an npub, or a key in hex"]) from None
        found = await self.accounts.find(key)
        return key, found[0] if found else None

    async def require(self, text: str) -> Account:
        """Return the account that an operator names; raise `CommandRefused` when there is none."""
        _, account = await self.find(text)
        if account is None:
            raise CommandRefused([_NO_ACCOUNT])
        return account

    async def overviews(self, *, after: int = 0) -> AsyncIterator[AccountOverview]:
        """Yield all accounts in order of their numbers, those above `after`."""
        while page := await self.accounts.overview(after=after, limit=PAGE):
            for overview in page:
                yield overview
            after = page[-1].account.number

    def name(self, account: Account, *, with_keys: bool) -> dict[str, Any]:
        """Return how an account is told."""
        named: dict[str, Any] = {"account_id": self.pseudonyms.of_account(account.pubkey)}
        if with_keys:
            named["npub"] = encode_npub(PublicKey(account.pubkey))
        return named

    def whose(self, key: PublicKey, account: Account | None) -> dict[str, Any]:
        """Return the account for which a key acts, and whether the key is but a device of it."""
        return {
            "account_id": self.pseudonyms.of_account(account.pubkey) if account else None,
            "is_device": account is not None and account.pubkey != key,
        }

    async def keys_of(self, key: PublicKey, account: Account | None) -> Collection[str]:
        """Return a key and, if it is an account's own, those that act for it."""
        devices = await self.accounts.devices(account.number) if account and account.pubkey == key else []
        return {key, *(device.pubkey for device in devices)}

    async def close_blocked(self, keys: Collection[PublicKey]) -> None:
        """Close the connections of keys that the settings refuse from now on, and of the accounts that they are."""
        self.dismiss(keys, _BLOCKED)
        try:
            for key in keys:
                found = await self.accounts.find(key)
                self.dismiss(await self.keys_of(key, found[0] if found else None), _BLOCKED)
        except StorageError as error:
            log.error("devices of blocked accounts may stay connected", extra={"facts": where(error)})


async def _list(callers: Callers, arguments: Json) -> Json:
    limit = arguments["limit"]
    page = await callers.accounts.overview(
        after=_number(arguments["after"]), limit=limit, only_blocked=arguments["blocked"]
    )
    strangers = {"blocked_strangers": await callers.accounts.count_blocked_strangers()} if arguments["blocked"] else {}
    return {
        **strangers,
        "accounts": [_overview(callers, overview, with_keys=arguments["with_keys"]) for overview in page],
        "next": f"{page[-1].account.number:x}" if len(page) == limit else None,
    }


def _number(text: str) -> int:
    """Return the account number that `next` told; those are larger than JSON keeps exact."""
    try:
        return int(text, 16)
    except ValueError:
        raise CommandRefused(["after: use what the last list told as next"]) from None


async def _show(callers: Callers, arguments: Json) -> Json:
    account, with_keys = await callers.require(arguments["account"]), arguments["with_keys"]
    devices = await callers.accounts.devices(account.number)
    return {
        **callers.name(account, with_keys=with_keys),
        "admitted_day": account.admitted_day,
        "blocked": await callers.accounts.is_blocked(account.pubkey),
        "devices": [_device(device, with_keys=with_keys) for device in devices],
    }


async def _block(callers: Callers, arguments: Json) -> Json:
    key, account = await callers.find(arguments["account"])
    whole = PublicKey(account.pubkey) if account else key
    keys = await callers.keys_of(whole, account)
    changed = await callers.accounts.block(whole)
    closed = callers.dismiss(keys, _BLOCKED)
    return {"changed": changed, "connections_closed": closed, **callers.whose(key, account)}


async def _unblock(callers: Callers, arguments: Json) -> Json:
    key, account = await callers.find(arguments["account"])
    # A device may have been blocked by itself before it was one.
    changed = [await callers.accounts.unblock(each) for each in {key, *([account.pubkey] if account else [])}]
    return {"changed": any(changed), **callers.whose(key, account)}


async def _delete(callers: Callers, arguments: Json) -> Json:
    key, account = await callers.find(arguments["account"])
    if account is None:
        raise CommandRefused([_NO_ACCOUNT])
    keys = await callers.accounts.delete(account.number, now=callers.clock.now())
    callers.forget(keys)
    closed = callers.dismiss(keys, "this account is deleted")
    return {"deleted": bool(keys), "connections_closed": closed, **callers.whose(key, account)}


async def _create_invite(callers: Callers, arguments: Json) -> Json:
    now, seconds = callers.clock.now(), arguments["expires_in_seconds"]
    code = callers.entropy.draw(_CODE_BYTES).hex()
    invite = await callers.invites.create(
        code,
        uses=arguments["uses"],
        expires_at=None if seconds is None else now + seconds,
        note=arguments["note"],
        now=now,
        max_invites=callers.max_invites(),
    )
    if invite is None:
        raise CommandRefused(
            [f"there are accounts.max_invites = {callers.max_invites()} invites already: revoke some, or raise it"]
        )
    return {**_invite(invite), "code": invite.code}


async def _list_invites(callers: Callers, arguments: Json) -> Json:
    return {
        "invites": [
            {**_invite(invite), **({"code": invite.code} if arguments["with_codes"] else {})}
            for invite in await callers.invites.all()
            if invite.can_be_used(now=callers.clock.now())
        ]
    }


async def _revoke_invite(callers: Callers, arguments: Json) -> Json:
    if not await callers.invites.revoke(arguments["number"]):
        raise CommandRefused([f"number: there is no invite {arguments['number']}"])
    return {"revoked": True}


def _overview(callers: Callers, overview: AccountOverview, *, with_keys: bool) -> Json:
    return {
        **callers.name(overview.account, with_keys=with_keys),
        "devices": overview.devices,
        "admitted_day": overview.account.admitted_day,
        "last_seen_day": overview.last_seen_day,
        "blocked": overview.is_blocked,
    }


def _device(device: Device, *, with_keys: bool) -> Json:
    """Return how a device is told; what its owner called it is theirs, like its key."""
    own = {"npub": encode_npub(PublicKey(device.pubkey)), "name": device.name} if with_keys else {}
    return {
        **own,
        "device_id": device.device_id,
        "platform": device.platform,
        "primary": device.is_primary,
        "registered_day": device.registered_day,
        "last_seen_day": device.last_seen_day,
    }


def _invite(invite: Invite) -> dict[str, Any]:
    return {
        "number": invite.number,
        "uses": invite.uses,
        "uses_left": invite.uses_left,
        "expires_at": invite.expires_at,
        "note": invite.note,
        "created_day": invite.created_day,
    }


_ACCOUNT = {"account": Argument(str, is_required=True, most=100)}
_WITH_KEYS = {"with_keys": Argument(bool, default=False)}

CALLER_COMMANDS: Final[Mapping[str, Command[Callers]]] = {
    "accounts.list": Command(
        _list,
        {
            "after": Argument(str, default="0", most=16),
            "limit": Argument(int, default=100, least=1, most=MAX_LISTED),
            "blocked": Argument(bool, default=False),
            **_WITH_KEYS,
        },
    ),
    "accounts.show": Command(_show, {**_ACCOUNT, **_WITH_KEYS}),
    "accounts.block": Command(_block, _ACCOUNT),
    "accounts.unblock": Command(_unblock, _ACCOUNT),
    "accounts.delete": Command(_delete, _ACCOUNT),
    "invites.create": Command(
        _create_invite,
        {
            "uses": Argument(int, default=1, least=1, most=MAX_USES),
            "expires_in_seconds": Argument(int, least=1, most=MAX_SECONDS),
            "note": Argument(str, default="", most=MAX_NOTE),
        },
    ),
    "invites.list": Command(_list_invites, {"with_codes": Argument(bool, default=False)}),
    "invites.revoke": Command(_revoke_invite, {"number": Argument(int, is_required=True, most=MAX_NUMBER)}),
}
"""The commands about callers, by name."""

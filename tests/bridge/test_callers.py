"""Who is let in, and as whom."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.callers import AccountCaller, AdmissionRules, AnonymousCaller, Caller, Door
from bridge.conditions import Conditions
from bridge.errors import Forbidden, PowRequired, Unauthorized, Unavailable
from bridge.newcomers import Newcomers, Offer
from bridge.settings.accounts import Admission
from bridge.terms import admission_rules
from nips.keys import PublicKey
from protocol.catalogue import load_catalogue
from storage.account_interface import Standing
from storage.interface import Dossier
from storage.sqlite import SqliteStorage
from tests.support.clock import FixedClock
from tests.support.entropy import SeededEntropy
from tests.support.pipeline import Client, a_storage, settings_with

METHODS = load_catalogue().methods
NAMES = ["bridge.info", "account.get", "turn.get_credentials"]
ALICE, BOB = Client("alice").key, Client("bob").key


@dataclass
class House:
    """A door, and what is behind it."""

    door: Door
    storage: SqliteStorage

    async def admit(self, key: PublicKey, method: str = "account.get", offer: Offer | None = None) -> Caller:
        """Let a key in by what is on record of it."""
        dossier = await self.storage.requests.look_up(asker=key, request_id="r", rumor_id="00" * 32)
        return await self.door.admit(key, dossier, METHODS[method], offer or Offer())


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[SqliteStorage]:
    async with a_storage(tmp_path) as storage:
        yield storage


def rules(
    *,
    admission: Admission = Admission.OPEN,
    allowed: Collection[PublicKey] = (),
    blocked: Collection[PublicKey] = (),
    max_accounts: int = 10,
    budget: int = 10,
) -> AdmissionRules:
    changes = {
        "accounts.admission": admission,
        "accounts.allow": tuple(allowed),
        "accounts.blocked": tuple(blocked),
        "accounts.max_accounts": max_accounts,
        "accounts.budget.burst": budget,
    }
    return admission_rules(settings_with(changes))


def a_house(
    storage: SqliteStorage, terms: AdmissionRules | None = None, *, listed: Collection[PublicKey] = ()
) -> House:
    terms = terms or rules()
    newcomers = Newcomers(
        storage.accounts,
        storage.permits,
        terms.joining,
        conditions=Conditions(),
        clock=FixedClock(),
        entropy=SeededEntropy(),
    )
    return House(Door(storage.accounts, newcomers, terms, listed=frozenset(listed)), storage)


async def test_a_key_that_never_called_is_unknown(storage: SqliteStorage) -> None:
    assert await a_house(storage).door.known(ALICE) is None


async def test_a_first_request_makes_an_account_and_later_ones_find_it(storage: SqliteStorage) -> None:
    house = a_house(storage)
    first = await house.admit(ALICE)
    assert isinstance(first, AccountCaller)
    assert await house.admit(ALICE) == first
    assert await house.door.known(ALICE) == first


async def test_a_stranger_that_asks_who_we_are_stays_a_stranger(storage: SqliteStorage) -> None:
    house = a_house(storage)
    assert await house.admit(ALICE, "bridge.info") == AnonymousCaller(ALICE)
    assert await house.door.known(ALICE) is None


async def test_an_account_that_asks_who_we_are_is_that_account(storage: SqliteStorage) -> None:
    house = a_house(storage)
    account = await house.admit(ALICE)
    assert await house.admit(ALICE, "bridge.info") == account


async def test_beyond_the_budget_newcomers_are_asked_for_work_and_accounts_never(storage: SqliteStorage) -> None:
    house = a_house(storage, rules(budget=1))
    account = await house.admit(ALICE)
    with pytest.raises(PowRequired):
        await house.admit(BOB)
    assert await house.admit(ALICE) == account
    assert await house.admit(BOB, "bridge.info") == AnonymousCaller(BOB)
    assert isinstance(await house.admit(BOB, offer=Offer(work_bits=16)), AccountCaller)


async def test_under_invite_a_code_makes_an_account_that_needs_none_afterwards(storage: SqliteStorage) -> None:
    await storage.invites.create("code", uses=1, expires_at=None, note="", now=0, max_invites=10)
    house = a_house(storage, rules(admission=Admission.INVITE))
    with pytest.raises(Unauthorized):
        await house.admit(ALICE)
    account = await house.admit(ALICE, offer=Offer(invite="code"))
    assert await house.admit(ALICE) == account


async def test_a_key_on_the_allowlist_gets_an_account(storage: SqliteStorage) -> None:
    house = a_house(storage, rules(admission=Admission.ALLOWLIST, allowed={ALICE}, budget=1))
    assert isinstance(await house.admit(ALICE), AccountCaller)


async def test_a_key_that_an_allowed_domain_lists_gets_an_account(storage: SqliteStorage) -> None:
    house = a_house(storage, rules(admission=Admission.ALLOWLIST), listed={ALICE})
    assert isinstance(await house.admit(ALICE), AccountCaller)
    with pytest.raises(Unauthorized):
        await house.admit(BOB)


async def test_a_domain_lets_nobody_in_under_another_admission(storage: SqliteStorage) -> None:
    house = a_house(storage, rules(admission=Admission.INVITE), listed={ALICE})
    with pytest.raises(Unauthorized):
        await house.admit(ALICE)


@pytest.mark.parametrize("method", NAMES[1:])
async def test_a_key_that_is_not_on_the_allowlist_is_refused(storage: SqliteStorage, method: str) -> None:
    house = a_house(storage, rules(admission=Admission.ALLOWLIST, allowed={ALICE}))
    with pytest.raises(Unauthorized):
        await house.admit(BOB, method, Offer(invite="code", work_bits=64))
    assert await house.door.known(BOB) is None


async def test_a_key_that_is_not_on_the_allowlist_may_ask_who_we_are(storage: SqliteStorage) -> None:
    house = a_house(storage, rules(admission=Admission.ALLOWLIST))
    assert await house.admit(BOB, "bridge.info") == AnonymousCaller(BOB)


async def test_an_account_taken_off_the_allowlist_is_refused_at_once(storage: SqliteStorage) -> None:
    house = a_house(storage)
    await house.admit(ALICE)
    house.door.adopt(rules(admission=Admission.ALLOWLIST, allowed={BOB}))
    assert house.door.admission is Admission.ALLOWLIST
    with pytest.raises(Unauthorized):
        await house.admit(ALICE)
    assert await house.admit(ALICE, "bridge.info") == AnonymousCaller(ALICE)


@pytest.mark.parametrize("name", NAMES)
async def test_a_blocked_account_may_call_nothing(storage: SqliteStorage, name: str) -> None:
    house = a_house(storage)
    await house.admit(ALICE)
    house.door.adopt(rules(blocked={ALICE}))
    with pytest.raises(Forbidden):
        await house.admit(ALICE, name)


@pytest.mark.parametrize("name", NAMES)
async def test_a_key_that_was_blocked_while_we_run_may_call_nothing(storage: SqliteStorage, name: str) -> None:
    house = a_house(storage)
    await house.admit(ALICE)
    for key in (ALICE, BOB):
        await storage.accounts.block(key)
        with pytest.raises(Forbidden):
            await house.admit(key, name)


async def test_a_blocked_key_never_becomes_an_account(storage: SqliteStorage) -> None:
    house = a_house(storage, rules(admission=Admission.ALLOWLIST, allowed={ALICE}, blocked={ALICE}))
    with pytest.raises(Forbidden):
        await house.admit(ALICE)
    assert await house.door.known(ALICE) is None


async def test_a_revoked_device_is_a_stranger_that_never_becomes_an_account(storage: SqliteStorage) -> None:
    door, revoked = a_house(storage).door, Dossier(None, None, {}, None, standing=Standing.REVOKED)
    with pytest.raises(Unauthorized):
        await door.admit(ALICE, revoked, METHODS["account.get"], Offer(work_bits=64))
    assert await door.admit(ALICE, revoked, METHODS["bridge.info"], Offer()) == AnonymousCaller(ALICE)
    assert await door.known(ALICE) is None


async def test_beyond_max_accounts_nobody_new_gets_in_and_the_old_ones_stay(storage: SqliteStorage) -> None:
    house = a_house(storage, rules(max_accounts=1))
    await house.admit(ALICE)
    with pytest.raises(Unavailable):
        await house.admit(BOB)
    assert isinstance(await house.admit(ALICE), AccountCaller)
    assert await house.admit(BOB, "bridge.info") == AnonymousCaller(BOB)

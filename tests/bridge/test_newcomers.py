"""What an account costs: the budget, work beyond it, and codes that cannot be guessed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from bridge.conditions import Conditions
from bridge.errors import Full, PowRequired, Unauthorized, Unavailable
from bridge.newcomers import FULL_MS, ROOM, JoiningRules, Newcomers, Offer
from bridge.settings.accounts import Admission
from bridge.work import GRACE_BITS, WorkRules
from nips.keys import PublicKey
from storage.account_interface import AdmissionFailed
from storage.permits import Bucket
from storage.sqlite import SqliteStorage
from tests.support.clock import FixedClock
from tests.support.entropy import SeededEntropy
from tests.support.pipeline import Client, a_storage

WORK = WorkRules(min_bits=10, max_bits=20, accounts_per_bit=2, calm_ms=60_000, grace_ms=30_000)
RULES = JoiningRules(max_accounts=1000, budget=Bucket(3, 10_000), guesses=Bucket(2, 10_000), work=WORK)
OPEN, INVITE = Admission.OPEN, Admission.INVITE


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[SqliteStorage]:
    async with a_storage(tmp_path) as storage:
        await storage.invites.create("right", uses=5, expires_at=None, note="", now=0, max_invites=10)
        yield storage


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


def newcomers_of(storage: SqliteStorage, clock: FixedClock, rules: JoiningRules = RULES, *, run: int = 1) -> Newcomers:
    return Newcomers(
        storage.accounts, storage.permits, rules, conditions=Conditions(), clock=clock, entropy=SeededEntropy(run)
    )


def key(number: int) -> PublicKey:
    return Client(f"newcomer {number}").key


async def let_in(newcomers: Newcomers, amount: int, *, first: int = 0, work_bits: int = 0) -> int:
    """Have so many new keys ask at once; return how many got an account."""

    async def join(number: int) -> bool:
        try:
            account, _ = await newcomers.join_openly(key(number), Offer(work_bits=work_bits))
        except PowRequired:
            return False
        assert account.pubkey == key(number)
        return True

    return sum(await asyncio.gather(*map(join, range(first, first + amount))))


async def asked(newcomers: Newcomers, work_bits: int = 0, *, number: int = 10_000) -> int | None:
    """Return what work one more is asked for, or None for one that is let in."""
    try:
        await newcomers.join_openly(key(number), Offer(work_bits=work_bits))
    except PowRequired as refused:
        return refused.bits
    return None


# --- the account that is made


async def test_an_account_is_made_with_its_primary_device(storage: SqliteStorage) -> None:
    newcomers = newcomers_of(storage, FixedClock(1_800_000_000))
    account, device = await newcomers.join_openly(key(1), Offer())
    midnight = 1_799_971_200
    assert (account.pubkey, account.admitted_day, len(account.pni_salt)) == (key(1), midnight, 16)
    assert (device.pubkey, device.is_primary) == (key(1), True)
    assert (device.registered_day, device.last_seen_day) == (midnight, midnight)
    assert UUID(device.device_id).version == 4


async def test_accounts_have_salts_and_devices_of_their_own(storage: SqliteStorage, clock: FixedClock) -> None:
    newcomers = newcomers_of(storage, clock)
    (one, its), (other, others) = [await newcomers.join_openly(key(number), Offer()) for number in (1, 2)]
    assert one.pni_salt != other.pni_salt
    assert its.device_id != others.device_id


async def test_an_account_is_made_once_and_paid_once(storage: SqliteStorage, clock: FixedClock) -> None:
    newcomers = newcomers_of(storage, clock)
    joined = await asyncio.gather(*(newcomers.join_openly(key(1), Offer()) for _ in range(3)))
    assert joined[0] == joined[1] == joined[2]
    assert await let_in(newcomers, 10, first=100) == 2


# --- the budget


async def test_so_many_are_let_in_at_once_and_no_more(storage: SqliteStorage, clock: FixedClock) -> None:
    assert await let_in(newcomers_of(storage, clock), 50) == 3


async def test_one_more_for_each_permit_that_comes_back(storage: SqliteStorage, clock: FixedClock) -> None:
    newcomers = newcomers_of(storage, clock)
    await let_in(newcomers, 10)
    for first in (100, 200):
        clock.advance(9.999)
        assert await let_in(newcomers, 10, first=first) == 0
        clock.advance(0.001)
        assert await let_in(newcomers, 10, first=first) == 1


async def test_a_restart_hands_out_nothing(storage: SqliteStorage, clock: FixedClock) -> None:
    await let_in(newcomers_of(storage, clock), 10)
    clock.advance(9)
    assert await let_in(newcomers_of(storage, clock, run=2), 10, first=100) == 0
    clock.advance(1)
    assert await let_in(newcomers_of(storage, clock, run=3), 10, first=200) == 1


async def test_who_gets_none_costs_the_storage_nothing(
    storage: SqliteStorage, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    newcomers = newcomers_of(storage, clock)
    await let_in(newcomers, 4)
    asks = list[object]()
    monkeypatch.setattr(storage.permits, "balances", asks.append)
    monkeypatch.setattr(storage.accounts, "admit", asks.append)
    assert await let_in(newcomers, 100, first=100) == 0
    assert asks == []


async def test_a_clock_that_steps_back_shuts_nobody_out_for_longer_than_a_permit_takes(
    storage: SqliteStorage, clock: FixedClock
) -> None:
    newcomers = newcomers_of(storage, clock)
    await let_in(newcomers, 10)
    clock.set_back(3600)
    assert await let_in(newcomers, 10, first=100) == 0
    clock.advance(10)
    assert await let_in(newcomers, 10, first=200) == 1


async def test_another_budget_counts_from_the_next_newcomer_on(storage: SqliteStorage, clock: FixedClock) -> None:
    newcomers = newcomers_of(storage, clock)
    await let_in(newcomers, 10)
    newcomers.adopt(replace(RULES, budget=Bucket(10, 1000)))
    clock.advance(4)
    assert await let_in(newcomers, 10, first=100) == 4


# --- work


async def test_beyond_the_budget_work_lets_in_as_long_as_it_is_enough(
    storage: SqliteStorage, clock: FixedClock
) -> None:
    newcomers = newcomers_of(storage, clock)
    await let_in(newcomers, 3)
    assert await asked(newcomers) == 10
    assert await asked(newcomers, 9) == 10
    assert await asked(newcomers, 10) is None


async def test_work_is_not_spent_while_there_is_budget(storage: SqliteStorage, clock: FixedClock) -> None:
    newcomers = newcomers_of(storage, clock)
    assert await let_in(newcomers, 3, work_bits=20) == 3
    assert await asked(newcomers) == 10


async def test_who_pays_raises_the_price_and_who_does_not_leaves_it(storage: SqliteStorage, clock: FixedClock) -> None:
    newcomers = newcomers_of(storage, clock)
    await let_in(newcomers, 500)
    assert await asked(newcomers) == 10
    assert await let_in(newcomers, 500, first=1000, work_bits=10) == WORK.accounts_per_bit * (GRACE_BITS + 1)
    assert await asked(newcomers) == 13


@pytest.mark.parametrize(("taken", "bits"), [(0, 0), (2, 0), (3, 10)])
async def test_price_that_is_told_is_the_one_that_is_asked(
    storage: SqliteStorage, clock: FixedClock, taken: int, bits: int
) -> None:
    newcomers = newcomers_of(storage, clock)
    await let_in(newcomers, taken)
    assert await newcomers.pow_bits(OPEN) == bits
    assert await asked(newcomers) == (bits or None)


async def test_price_is_told_after_a_restart_too(storage: SqliteStorage, clock: FixedClock) -> None:
    await let_in(newcomers_of(storage, clock), 3)
    assert await newcomers_of(storage, clock).pow_bits(OPEN) == 10


# --- no room


async def test_when_there_is_no_room_the_storage_is_asked_once_in_a_while(
    storage: SqliteStorage, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    newcomers = newcomers_of(storage, clock, replace(RULES, max_accounts=1))
    await newcomers.join_openly(key(1), Offer())
    admit, asks = storage.accounts.admit, list[object]()

    async def counting(*args: object, **options: object) -> object:
        asks.append(args)
        return await admit(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(storage.accounts, "admit", counting)
    for expected in (1, 2):
        for number in range(10):
            with pytest.raises(Unavailable):
                await newcomers.join_openly(key(100 + number), Offer())
        assert len(asks) == expected
        clock.advance(FULL_MS / 1000)
    newcomers.adopt(RULES)
    await newcomers.join_openly(key(2), Offer())


async def test_who_finds_no_room_costs_nothing_of_the_budget(storage: SqliteStorage, clock: FixedClock) -> None:
    newcomers = newcomers_of(storage, clock, replace(RULES, max_accounts=1))
    await newcomers.join_openly(key(1), Offer())
    with pytest.raises(Unavailable):
        await newcomers.join_openly(key(2), Offer())
    newcomers.adopt(RULES)
    assert await let_in(newcomers, 10, first=100) == 2


async def test_who_would_find_no_room_is_not_asked_for_work(storage: SqliteStorage, clock: FixedClock) -> None:
    newcomers = newcomers_of(storage, clock, replace(RULES, max_accounts=1, budget=Bucket(1, 10_000_000)))
    await newcomers.join_openly(key(1), Offer())
    for number in range(2, 6):
        with pytest.raises(Full):
            await newcomers.join_openly(key(number), Offer())
        clock.advance(FULL_MS / 1000)
    assert await newcomers.pow_bits(OPEN) == WORK.min_bits


async def test_no_room_is_told_as_a_condition_until_somebody_gets_an_account(
    storage: SqliteStorage, clock: FixedClock
) -> None:
    newcomers = newcomers_of(storage, clock, replace(RULES, max_accounts=1))
    await newcomers.join_openly(key(1), Offer())
    with pytest.raises(Full):
        await newcomers.join_openly(key(2), Offer())
    conditions = newcomers._conditions
    assert list(conditions.problems) == [ROOM]
    assert not conditions.down
    newcomers.adopt(RULES)
    await newcomers.join_openly(key(2), Offer())
    assert not conditions.problems


async def test_work_that_makes_no_account_does_not_raise_the_price(storage: SqliteStorage, clock: FixedClock) -> None:
    newcomers = newcomers_of(storage, clock)
    for number in range(WORK.accounts_per_bit):
        assert await invited(newcomers, f"wrong {number}") == "Unauthorized"
    for number in range(3 * WORK.accounts_per_bit):
        assert await invited(newcomers, f"guess {number}", work_bits=WORK.min_bits) == "Unauthorized"
    assert await newcomers.pow_bits(INVITE) == WORK.min_bits
    for number in range(WORK.accounts_per_bit):
        assert await invited(newcomers, "right", number=number, work_bits=WORK.min_bits) is None
    assert await newcomers.pow_bits(INVITE) == WORK.min_bits + 1


async def test_a_device_that_was_revoked_does_not_come_back_as_an_account(
    storage: SqliteStorage, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def revoked(*_: object, **__: object) -> AdmissionFailed:
        return AdmissionFailed.REVOKED

    monkeypatch.setattr(storage.accounts, "admit", revoked)
    with pytest.raises(Unauthorized):
        await newcomers_of(storage, clock).join_openly(key(1), Offer())


# --- invites


async def invited(newcomers: Newcomers, code: str | None, *, number: int = 1, work_bits: int = 0) -> str | None:
    """Come with a code; return the name of the refusal, or None for an account."""
    try:
        await newcomers.join_invited(key(number), Offer(code, work_bits))
    except (Unauthorized, PowRequired) as refusal:
        return type(refusal).__name__
    return None


@pytest.mark.parametrize("code", [None, "wrong", "righ", "right ", "Right"])
async def test_a_wrong_code_is_refused_like_none(storage: SqliteStorage, clock: FixedClock, code: str | None) -> None:
    assert await invited(newcomers_of(storage, clock), code) == "Unauthorized"
    assert await storage.accounts.find(key(1)) is None


async def test_a_code_lets_in_as_often_as_it_may_be_used(storage: SqliteStorage, clock: FixedClock) -> None:
    newcomers = newcomers_of(storage, clock)
    results = await asyncio.gather(*(invited(newcomers, "right", number=number) for number in range(6)))
    assert sorted(results, key=str) == [None] * 5 + ["Unauthorized"]
    (invite,) = await storage.invites.all()
    assert invite.uses_left == 0


async def test_who_comes_again_uses_nothing_up(storage: SqliteStorage, clock: FixedClock) -> None:
    newcomers = newcomers_of(storage, clock)
    assert [await invited(newcomers, "right") for _ in range(3)] == [None] * 3
    (invite,) = await storage.invites.all()
    assert invite.uses_left == 4


async def test_wrong_codes_are_limited_for_all_together_and_right_ones_are_not(
    storage: SqliteStorage, clock: FixedClock
) -> None:
    newcomers = newcomers_of(storage, clock)
    for number in range(3):
        assert await invited(newcomers, "right", number=number) is None
    assert await newcomers.pow_bits(INVITE) == 0
    guesses = [await invited(newcomers, f"guess {number}", number=100 + number) for number in range(4)]
    assert guesses == ["Unauthorized", "Unauthorized", "PowRequired", "PowRequired"]
    assert await newcomers.pow_bits(INVITE) == 10
    clock.advance(10)
    assert await invited(newcomers, "guess", number=200) == "Unauthorized"


async def test_while_somebody_guesses_work_gets_a_code_looked_at(storage: SqliteStorage, clock: FixedClock) -> None:
    newcomers = newcomers_of(storage, clock)
    for number in range(2):
        await invited(newcomers, "guess", number=number)
    assert await invited(newcomers, "right", number=50) == "PowRequired"
    assert await invited(newcomers, "right", number=50, work_bits=10) is None
    worked = [await invited(newcomers, "guess", number=100 + number, work_bits=10) for number in range(10)]
    assert worked == ["Unauthorized"] * 10


async def test_without_a_code_nothing_is_guessed_and_nothing_looked_up(
    storage: SqliteStorage, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    newcomers, asks = newcomers_of(storage, clock), list[object]()
    monkeypatch.setattr(storage.accounts, "admit", asks.append)
    for _ in range(10):
        assert await invited(newcomers, None) == "Unauthorized"
    assert asks == []
    assert await newcomers.pow_bits(INVITE) == 0


async def test_under_an_allowlist_an_account_costs_nothing(storage: SqliteStorage, clock: FixedClock) -> None:
    newcomers = newcomers_of(storage, clock)
    for number in range(10):
        await newcomers.join_freely(key(number))
    assert await newcomers.pow_bits(Admission.ALLOWLIST) == 0
    assert await let_in(newcomers, 10, first=100) == 3

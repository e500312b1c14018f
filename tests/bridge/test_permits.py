"""Permits that are promised, and the limits of strangers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from bridge.errors import RateLimited
from bridge.permits import AccountPermits, FreeLimits, KeyLimits, PermitRules, StrangerLimits
from storage.interface import Answer, Committed, Permit
from storage.permits import Bucket
from storage.sqlite import SqliteStorage
from tests.support.clock import FixedClock
from tests.support.pipeline import a_storage

TURN = Bucket(burst=3, refill_ms=600_000)
INFO = Bucket(burst=60, refill_ms=1000)
ACCOUNT = 7
NOW_MS = 1_800_000_000_000


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[SqliteStorage]:
    async with a_storage(tmp_path) as storage:
        yield storage


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def permits(storage: SqliteStorage, clock: FixedClock) -> AccountPermits:
    return AccountPermits(storage.permits, {"turn": TURN, "info": INFO}, clock)


@asynccontextmanager
async def promised(permits: AccountPermits, limiter: str, account: int) -> AsyncIterator[Permit]:
    """Promise a permit on what is on record now."""
    with permits.promise(limiter, account, await permits._permits.balances(account)) as permit:
        yield permit


async def take(permits: AccountPermits, storage: SqliteStorage, limiter: str = "turn", account: int = ACCOUNT) -> None:
    """Promise a permit and charge it, as an answer does."""
    async with promised(permits, limiter, account) as permit:
        assert isinstance(await storage.requests.commit(Answer(wrap_ids=[], permit=permit)), Committed)


async def wait_of(permits: AccountPermits, limiter: str = "turn", account: int = ACCOUNT) -> int:
    """Return the wait that a refused promise tells."""
    with pytest.raises(RateLimited) as caught:
        async with promised(permits, limiter, account):
            pytest.fail("a permit was promised")
    assert caught.value.limiter == limiter
    return caught.value.wait_ms


# --- of accounts


async def test_a_promise_is_a_permit_of_now(permits: AccountPermits, clock: FixedClock) -> None:
    async with promised(permits, "turn", ACCOUNT) as permit:
        assert permit == Permit("turn", ACCOUNT, TURN, clock.now_ms())


async def test_a_burst_passes_and_one_more_does_not(permits: AccountPermits, storage: SqliteStorage) -> None:
    for _ in range(TURN.burst):
        await take(permits, storage)
    assert await wait_of(permits) == TURN.refill_ms


async def test_no_more_is_promised_at_once_than_there_is(permits: AccountPermits) -> None:
    async with AsyncExitStack() as held:
        for _ in range(TURN.burst):
            await held.enter_async_context(promised(permits, "turn", ACCOUNT))
        assert await wait_of(permits) == TURN.refill_ms
    assert (await permits.remaining(ACCOUNT))["turn"] == TURN.burst


async def test_a_promise_that_was_not_used_costs_nothing(permits: AccountPermits, storage: SqliteStorage) -> None:
    for _ in range(TURN.burst + 1):
        with pytest.raises(ZeroDivisionError):
            async with promised(permits, "turn", ACCOUNT):
                raise ZeroDivisionError
    await take(permits, storage)
    assert (await permits.remaining(ACCOUNT))["turn"] == TURN.burst - 1


async def test_a_promise_counts_neither_elsewhere_nor_for_others(permits: AccountPermits) -> None:
    async with promised(permits, "turn", ACCOUNT):
        assert await permits.remaining(ACCOUNT) == {"turn": TURN.burst - 1, "info": INFO.burst}
        assert await permits.remaining(ACCOUNT + 1) == {"turn": TURN.burst, "info": INFO.burst}


async def test_the_wait_behind_promises_is_for_all_of_them(permits: AccountPermits, storage: SqliteStorage) -> None:
    await take(permits, storage)
    async with promised(permits, "turn", ACCOUNT), promised(permits, "turn", ACCOUNT):
        assert await wait_of(permits) == TURN.refill_ms


async def test_a_fraction_of_a_permit_shortens_the_wait(
    permits: AccountPermits, storage: SqliteStorage, clock: FixedClock
) -> None:
    for _ in range(TURN.burst):
        await take(permits, storage)
    clock.advance(599.5)
    assert await wait_of(permits) == 500
    clock.advance(0.5)
    await take(permits, storage)
    assert await wait_of(permits) == TURN.refill_ms


async def test_refused_promises_push_the_wait_no_further(
    permits: AccountPermits, storage: SqliteStorage, clock: FixedClock
) -> None:
    for _ in range(TURN.burst):
        await take(permits, storage)
    assert [await wait_of(permits) for _ in range(3)] == [TURN.refill_ms] * 3
    clock.advance(600)
    await take(permits, storage)


async def test_a_clock_that_steps_back_adds_nothing_and_locks_nobody_out(
    permits: AccountPermits, storage: SqliteStorage, clock: FixedClock
) -> None:
    await take(permits, storage)
    clock.set_back(3600)
    assert (await permits.remaining(ACCOUNT))["turn"] == TURN.burst - 1
    for _ in range(TURN.burst - 1):
        await take(permits, storage)
    assert await wait_of(permits) == TURN.refill_ms
    clock.advance(600)
    await take(permits, storage)


async def test_balances_outlive_the_process(permits: AccountPermits, storage: SqliteStorage, clock: FixedClock) -> None:
    await take(permits, storage)
    again = AccountPermits(storage.permits, {"turn": TURN}, clock)
    assert await again.remaining(ACCOUNT) == {"turn": TURN.burst - 1}


@pytest.mark.parametrize(
    ("bucket", "left"),
    [
        (Bucket(burst=10, refill_ms=600_000), 2),
        (Bucket(burst=1, refill_ms=600_000), 1),
        (Bucket(burst=3, refill_ms=60_000), 2),
        (Bucket(burst=3, refill_ms=6_000_000), 2),
    ],
)
async def test_changed_figures_keep_what_was_left_up_to_the_burst(
    permits: AccountPermits, storage: SqliteStorage, clock: FixedClock, bucket: Bucket, left: int
) -> None:
    await take(permits, storage)
    again = AccountPermits(storage.permits, {"turn": bucket}, clock)
    assert await again.remaining(ACCOUNT) == {"turn": left}


async def test_nothing_is_remembered_of_promises_that_are_over(permits: AccountPermits) -> None:
    async with (
        promised(permits, "turn", ACCOUNT),
        promised(permits, "info", ACCOUNT),
        promised(permits, "turn", ACCOUNT),
    ):
        pass
    assert not permits._promised


# --- of keys, in memory


def charge(limits: KeyLimits, key: str, now_ms: int = NOW_MS) -> None:
    with limits.taken(key, now_ms):
        pass


def test_a_key_has_its_burst_and_waits_then() -> None:
    limits = KeyLimits("invalid", Bucket(2, 30_000), max_keys=10)
    charge(limits, "a")
    charge(limits, "a")
    with pytest.raises(RateLimited) as caught:
        charge(limits, "a", NOW_MS + 10_000)
    assert caught.value.wait_ms == 20_000
    charge(limits, "a", NOW_MS + 30_000)


def test_keys_do_not_share() -> None:
    limits = KeyLimits("invalid", Bucket(1, 30_000), max_keys=10)
    charge(limits, "a")
    charge(limits, "b")


def test_what_fails_is_given_back_but_not_beyond_the_burst() -> None:
    limits = KeyLimits("info", Bucket(1, 30_000), max_keys=10)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), limits.taken("a", NOW_MS):
            raise ZeroDivisionError
    charge(limits, "a")
    with pytest.raises(RateLimited):
        charge(limits, "a")


def test_there_are_never_more_keys_than_allowed_and_the_longest_quiet_goes_first() -> None:
    limits = KeyLimits("invalid", Bucket(1, 30_000), max_keys=3)
    for key in ("a", "b", "c"):
        charge(limits, key)
    with pytest.raises(RateLimited):
        charge(limits, "a")
    charge(limits, "d")
    assert len(limits) == 3
    charge(limits, "b")
    for key in ("a", "d"):
        with pytest.raises(RateLimited):
            charge(limits, key)


def test_giving_back_to_a_key_that_was_forgotten_does_nothing() -> None:
    limits = KeyLimits("info", Bucket(1, 30_000), max_keys=1)
    with pytest.raises(ZeroDivisionError), limits.taken("a", NOW_MS):
        charge(limits, "b")
        raise ZeroDivisionError
    assert len(limits) == 1


# --- of strangers


def rules(
    *,
    call: int = 10,
    malformed: int = 10,
    together: int = 10,
    free: int = 10,
    free_together: int = 10,
    refill_ms: int = 1000,
    max_keys: int = 100,
    least_work: int = 16,
) -> PermitRules:
    return PermitRules(
        accounts={"info": Bucket(call, refill_ms), "invalid": Bucket(malformed, refill_ms)},
        strangers=Bucket(together, 100),
        free=Bucket(free, refill_ms),
        free_together=Bucket(free_together, 100),
        max_keys=max_keys,
        least_work=least_work,
    )


def a_limit(*, call: int = 10, malformed: int = 10, together: int = 10) -> StrangerLimits:
    return StrangerLimits(rules(call=call, malformed=malformed, together=together))


def limiter_of(limits: StrangerLimits, key: str) -> str:
    with pytest.raises(RateLimited) as caught, limits.call(key, NOW_MS, source=key):
        pytest.fail("a permit was given")
    return caught.value.limiter


def test_a_stranger_has_calls_and_malformed_requests_apart() -> None:
    limits = a_limit(call=1, malformed=1)
    with limits.call("a", NOW_MS, source="a"), limits.malformed("a", NOW_MS, source="a"):
        assert limiter_of(limits, "a") == "info"
    with pytest.raises(RateLimited) as caught, limits.malformed("a", NOW_MS, source="a"):
        pytest.fail("a permit was given")
    assert caught.value.limiter == "invalid"


def test_all_strangers_together_have_a_limit() -> None:
    limits = a_limit(together=2)
    with limits.call("a", NOW_MS, source="a"), limits.malformed("b", NOW_MS, source="b"):
        assert limiter_of(limits, "c") == "strangers"


def test_one_noisy_stranger_takes_nothing_from_the_others() -> None:
    limits = a_limit(call=1, together=4)
    with limits.call("noisy", NOW_MS, source="noisy"):
        for _ in range(5):
            assert limiter_of(limits, "noisy") == "info"
    with limits.call("quiet", NOW_MS, source="quiet"):
        pass


def test_a_stranger_is_not_charged_when_the_others_used_everything() -> None:
    limits = a_limit(call=1, together=1)
    with limits.call("other", NOW_MS, source="other"):
        assert limiter_of(limits, "a") == "strangers"
    with limits.call("a", NOW_MS + 100, source="elsewhere"):
        pass


# --- of answers that take no permit


def test_free_answers_are_limited_for_each_key_and_for_all_together() -> None:
    limits = FreeLimits(rules(free=2, free_together=3))

    def limiter(account: int) -> str | None:
        try:
            with limits.answer(account, NOW_MS):
                return None
        except RateLimited as limited:
            return limited.limiter

    assert [limiter(account) for account in (1, 1, 1, 2, 2)] == [None, None, "free", None, "free_together"]


def answered(limits: FreeLimits, account: int, amount: int) -> int:
    """Ask for so many free answers at once; return how many there are."""
    count = 0
    for _ in range(amount):
        with suppress(RateLimited), limits.answer(account, NOW_MS):
            count += 1
    return count


def test_accounts_that_flood_leave_free_answers_to_quiet_ones() -> None:
    limits = FreeLimits(rules(free=100, free_together=100))
    assert answered(limits, 1, 100) == 75
    assert answered(limits, 1, 100) == 0
    assert answered(limits, ACCOUNT, 10) == 10


def test_what_all_together_used_up_counts_in_the_own_limit_of_who_asks_on() -> None:
    limits = FreeLimits(rules(free=4, free_together=2))
    assert answered(limits, 1, 10) == 2
    with pytest.raises(RateLimited) as caught, limits.answer(1, NOW_MS + 200):
        pytest.fail("a permit was given")
    assert caught.value.limiter == "free"


def heard(limits: StrangerLimits, source: str, amount: int) -> int:
    """Have so many new keys of one source call; return how many are answered."""
    count = 0
    for number in range(amount):
        with suppress(RateLimited), limits.call(f"{source} {number}", NOW_MS, source=source):
            count += 1
    return count


def test_one_source_of_strangers_has_at_most_half_and_the_last_quarter_is_for_quiet_ones() -> None:
    limits = a_limit(together=20)
    assert heard(limits, "flood", 50) == 10
    assert heard(limits, "other", 50) == 5
    assert heard(limits, "newcomer", 3) == 3


# --- other figures, adopted while it runs


async def permits_left(permits: AccountPermits) -> int:
    return (await permits.remaining(ACCOUNT))["turn"]


@pytest.mark.parametrize(
    ("bucket", "left"),
    [
        (Bucket(burst=10, refill_ms=600_000), 2),
        (Bucket(burst=1, refill_ms=600_000), 1),
        (Bucket(burst=3, refill_ms=60_000), 2),
        (Bucket(burst=3, refill_ms=6_000_000), 2),
    ],
)
async def test_adopted_figures_keep_what_was_left_up_to_the_burst(
    permits: AccountPermits, storage: SqliteStorage, bucket: Bucket, left: int
) -> None:
    await take(permits, storage)
    permits.adopt({"turn": bucket})
    assert await permits_left(permits) == left
    for _ in range(left):
        await take(permits, storage)
    assert await wait_of(permits) == bucket.refill_ms


async def test_who_took_nothing_has_the_whole_of_an_adopted_burst(permits: AccountPermits) -> None:
    permits.adopt({"turn": Bucket(burst=10, refill_ms=600_000)})
    assert await permits_left(permits) == 10


async def test_adopted_refill_counts_at_once(
    permits: AccountPermits, storage: SqliteStorage, clock: FixedClock
) -> None:
    for _ in range(TURN.burst):
        await take(permits, storage)
    permits.adopt({"turn": Bucket(burst=3, refill_ms=1000)})
    assert await wait_of(permits) == 1000
    clock.advance(1)
    await take(permits, storage)
    permits.adopt({"turn": TURN})
    assert await wait_of(permits) == TURN.refill_ms
    clock.advance(600)
    assert await permits_left(permits) == 1


async def test_what_was_promised_before_is_charged_after(permits: AccountPermits, storage: SqliteStorage) -> None:
    async with promised(permits, "turn", ACCOUNT) as permit:
        permits.adopt({"turn": Bucket(burst=2, refill_ms=1000)})
        assert await permits_left(permits) == 1
        assert isinstance(await storage.requests.commit(Answer(wrap_ids=[], permit=permit)), Committed)
    assert await permits_left(permits) == 2
    assert not permits._promised


def test_adopted_figures_count_for_keys_at_once_and_keep_what_they_took() -> None:
    limits = KeyLimits("invalid", Bucket(2, 30_000), max_keys=10)
    charge(limits, "a")
    limits.adopt(Bucket(4, 1000), max_keys=10)
    charge(limits, "a")
    with pytest.raises(RateLimited) as caught:
        charge(limits, "a")
    assert caught.value.wait_ms == 1000
    limits.adopt(Bucket(1, 5000), max_keys=10)
    with pytest.raises(RateLimited) as caught:
        charge(limits, "a", NOW_MS + 4999)
    assert caught.value.wait_ms == 1
    charge(limits, "a", NOW_MS + 5000)


@pytest.mark.parametrize("refill_ms", [1, 30_000_000])
def test_permit_that_is_given_back_under_other_figures_is_one_permit(refill_ms: int) -> None:
    limits = KeyLimits("info", Bucket(3, 30_000), max_keys=10)
    charge(limits, "a")
    with pytest.raises(ZeroDivisionError), limits.taken("a", NOW_MS):
        limits.adopt(Bucket(3, refill_ms), max_keys=10)
        raise ZeroDivisionError
    charge(limits, "a")
    charge(limits, "a")
    with pytest.raises(RateLimited):
        charge(limits, "a")


def test_fewer_keys_are_remembered_at_once() -> None:
    limits = KeyLimits("info", Bucket(1, 30_000), max_keys=10)
    for key in "abcde":
        charge(limits, key)
    limits.adopt(Bucket(1, 30_000), max_keys=2)
    assert len(limits) == 2
    with pytest.raises(RateLimited):
        charge(limits, "e")


@pytest.mark.parametrize(
    ("changed", "limiter"),
    [
        (rules(call=1), "info"),
        (rules(together=1), "strangers"),
    ],
)
def test_strangers_are_counted_by_adopted_figures(changed: PermitRules, limiter: str) -> None:
    limits = StrangerLimits(rules())
    limits.adopt(changed)
    with limits.call("a", NOW_MS, source="a"):
        assert limiter_of(limits, "a") == limiter


def test_malformed_requests_of_strangers_are_counted_by_adopted_figures() -> None:
    limits = StrangerLimits(rules())
    limits.adopt(rules(malformed=1))
    with (
        limits.malformed("a", NOW_MS, source="a"),
        pytest.raises(RateLimited),
        limits.malformed("a", NOW_MS, source="a"),
    ):
        pytest.fail("a permit was given")


@pytest.mark.parametrize(("changed", "limiter"), [(rules(free=1), "free"), (rules(free_together=1), "free_together")])
def test_free_answers_are_counted_by_adopted_figures(changed: PermitRules, limiter: str) -> None:
    limits = FreeLimits(rules())
    limits.adopt(changed)
    with limits.answer(ACCOUNT, NOW_MS), pytest.raises(RateLimited) as caught, limits.answer(ACCOUNT, NOW_MS):
        pytest.fail("a permit was given")
    assert caught.value.limiter == limiter

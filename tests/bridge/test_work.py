"""What work a new account costs: rules that hold for every course of events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.settings.accounts import WorkSettings
from bridge.work import GRACE_BITS, Demand, WorkRules, after_payment, asked_bits, enough_bits
from client.bridge import BridgeLimits

RULES = WorkRules(min_bits=10, max_bits=14, accounts_per_bit=3, calm_ms=60_000, grace_ms=20_000)
NOW_MS = 1_800_000_000_000

rules_ = st.builds(
    lambda least, more, each, calm, grace: WorkRules(least, least + more, each, calm, grace),
    st.integers(0, 40),
    st.integers(0, 30),
    st.integers(1, 20),
    st.integers(1, 100_000),
    st.integers(1, 100_000),
)
steps_ = st.lists(st.tuples(st.booleans(), st.integers(0, 50_000)), max_size=60)
"""Whether somebody pays, and the time until the next step."""


def paid(times: int, *, now_ms: int = NOW_MS, demand: Demand | None = None, rules: WorkRules = RULES) -> Demand:
    demand = demand or Demand()
    for _ in range(times):
        demand = after_payment(demand, rules, now_ms)
    return demand


def test_while_nobody_pays_the_least_is_asked() -> None:
    assert asked_bits(Demand(), RULES, NOW_MS) == enough_bits(Demand(), RULES, NOW_MS) == RULES.min_bits


@pytest.mark.parametrize(("payments", "bits"), [(0, 10), (2, 10), (3, 11), (5, 11), (6, 12), (12, 14), (1000, 14)])
def test_it_rises_by_a_bit_with_so_many_accounts_up_to_the_most(payments: int, bits: int) -> None:
    assert asked_bits(paid(payments), RULES, NOW_MS) == bits


@pytest.mark.parametrize(("calm_ms", "bits"), [(0, 12), (1, 11), (60_000, 11), (60_001, 10), (600_000, 10)])
def test_it_falls_by_a_bit_in_so_much_time_down_to_the_least(calm_ms: int, bits: int) -> None:
    assert asked_bits(paid(6), RULES, NOW_MS + calm_ms) == bits


def test_the_most_lasts_no_longer_however_much_was_paid() -> None:
    assert asked_bits(paid(10_000), RULES, NOW_MS + RULES.calm_ms) == RULES.max_bits - 1


def test_what_was_asked_just_before_is_enough_for_a_while() -> None:
    demand = paid(4)
    for passed_ms, enough in ((0, 10), (RULES.grace_ms - 1, 10), (RULES.grace_ms, 11)):
        assert asked_bits(demand, RULES, NOW_MS + passed_ms) == 11
        assert enough_bits(demand, RULES, NOW_MS + passed_ms) == enough


def test_what_was_mined_in_advance_passes_no_more_than_a_little_below_the_price() -> None:
    demand, taken = Demand(), 0
    while enough_bits(demand, RULES, NOW_MS) <= RULES.min_bits:
        demand, taken = after_payment(demand, RULES, NOW_MS), taken + 1
    assert taken == RULES.accounts_per_bit * (GRACE_BITS + 1)


def test_a_clock_that_steps_back_makes_nothing_cheaper_and_lets_it_fall_again() -> None:
    demand, back = paid(6), NOW_MS - 3_600_000
    assert asked_bits(demand, RULES, back) == 12
    assert enough_bits(demand, RULES, back) == 12
    demand = after_payment(demand, RULES, back)
    assert asked_bits(demand, RULES, back + RULES.calm_ms) == 11


@given(rules=rules_, steps=steps_)
def test_whatever_happens_the_price_keeps_its_bounds(rules: WorkRules, steps: list[tuple[bool, int]]) -> None:
    demand, now_ms = Demand(), NOW_MS
    for pays, passing_ms in steps:
        before = asked_bits(demand, rules, now_ms)
        if pays:
            demand = after_payment(demand, rules, now_ms)
            assert 0 <= asked_bits(demand, rules, now_ms) - before <= 1
        asked, enough = asked_bits(demand, rules, now_ms), enough_bits(demand, rules, now_ms)
        assert rules.min_bits <= enough <= asked <= rules.max_bits
        assert asked - enough <= GRACE_BITS
        assert len(demand.earlier) <= rules.max_bits - rules.min_bits + 1
        now_ms += passing_ms
        assert asked_bits(demand, rules, now_ms) <= asked


@given(rules=rules_, steps=steps_)
def test_who_mined_what_was_told_is_let_in_for_as_long_as_the_grace(
    rules: WorkRules, steps: list[tuple[bool, int]]
) -> None:
    """Unless it has risen by more than the grace covers, which only those bring about who paid for it."""
    demand, now_ms, told = Demand(), NOW_MS, list[tuple[int, int]]()
    for pays, passing_ms in steps:
        told.append((now_ms, asked_bits(demand, rules, now_ms)))
        if pays:
            demand = after_payment(demand, rules, now_ms)
        now_ms += passing_ms
        for told_ms, bits in told:
            is_chased = bits < asked_bits(demand, rules, now_ms) - GRACE_BITS
            if now_ms < told_ms + rules.grace_ms and not is_chased:
                assert bits >= enough_bits(demand, rules, now_ms)


@given(rules=rules_, gap_ms=st.integers(0, 10_000), payments=st.integers(0, 200))
def test_who_pays_faster_than_it_falls_pays_ever_more(rules: WorkRules, gap_ms: int, payments: int) -> None:
    demand, now_ms = Demand(), NOW_MS
    for _ in range(payments):
        demand = after_payment(demand, rules, now_ms)
        now_ms += gap_ms
    came_in, went_out = payments * rules.calm_ms, payments * gap_ms * rules.accounts_per_bit
    least = min(rules.max_bits - 1, rules.min_bits + max(0, came_in - went_out) // rules.bit)
    assert asked_bits(demand, rules, now_ms) >= min(least, rules.max_bits)


def test_what_a_bridge_asks_at_most_is_what_a_client_does_at_most() -> None:
    assert BridgeLimits().max_pow_bits == WorkSettings().max_bits

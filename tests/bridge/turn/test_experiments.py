"""Who takes part in an experiment: excluded before listed before drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.pseudonyms import EXPERIMENT_PLACES, Pseudonyms
from bridge.turn.addresses import RelayAddresses
from bridge.turn.experiments import Experiment, share_of
from nips.keys import PublicKey
from tests.support.wraps import drawn

PSEUDONYMS = Pseudonyms(bytes(range(32)))
ACCOUNTS = [PublicKey(drawn(f"account {number}").hex()) for number in range(4000)]
ALICE, BOB = ACCOUNTS[:2]
PLACES = [8981992029005481566, 11669189463103962225]

shares = st.floats(0, 100) | st.integers(0, 10_000).map(lambda hundredths: hundredths / 100)
accounts = st.binary(min_size=32, max_size=32).map(lambda key: PublicKey(key.hex()))


def an_experiment(
    share: float = 0, *, name: str = "beta", listed: Iterable[PublicKey] = (), excluded: Iterable[PublicKey] = ()
) -> Experiment:
    return Experiment(name, share_of(share), frozenset(listed), frozenset(excluded), None, RelayAddresses())


def members(experiment: Experiment, pseudonyms: Pseudonyms = PSEUDONYMS) -> Sequence[bool]:
    return [experiment.enrolls(account, pseudonyms) for account in ACCOUNTS]


# --- the order of the rules


def test_by_default_nobody_takes_part() -> None:
    assert not any(members(an_experiment()))


def test_a_listed_account_takes_part_at_a_share_of_nothing() -> None:
    experiment = an_experiment(0, listed=[ALICE])
    assert experiment.enrolls(ALICE, PSEUDONYMS)
    assert sum(members(experiment)) == 1


@given(accounts)
def test_a_share_of_0_takes_nobody(account: PublicKey) -> None:
    assert not an_experiment(0).enrolls(account, PSEUDONYMS)


@given(accounts)
def test_a_share_of_100_takes_everybody(account: PublicKey) -> None:
    assert an_experiment(100).enrolls(account, PSEUDONYMS)


def test_an_excluded_account_takes_no_part_though_listed_and_at_a_share_of_everybody() -> None:
    experiment = an_experiment(100, listed=[ALICE, BOB], excluded=[ALICE])
    assert not experiment.enrolls(ALICE, PSEUDONYMS)
    assert experiment.enrolls(BOB, PSEUDONYMS)
    assert sum(members(experiment)) == len(ACCOUNTS) - 1


@given(shares, accounts, st.booleans(), st.booleans())
def test_lists_decide_before_the_draw(share: float, account: PublicKey, is_listed: bool, is_excluded: bool) -> None:
    listed, excluded = [account] * is_listed, [account] * is_excluded
    takes_part = an_experiment(share, listed=listed, excluded=excluded).enrolls(account, PSEUDONYMS)
    is_drawn = an_experiment(share).enrolls(account, PSEUDONYMS)
    assert takes_part == (not is_excluded and (is_listed or is_drawn))


# --- the draw


class Extremes(Pseudonyms):
    """Puts everybody at one place."""

    def __init__(self, place: int) -> None:
        super().__init__(bytes(32))
        self.place = place

    def place_in(self, experiment: str, pubkey: str) -> int:
        return self.place


def test_a_share_of_0_does_not_take_even_the_first_place_and_100_takes_even_the_last() -> None:
    first, last = Extremes(0), Extremes(EXPERIMENT_PLACES - 1)
    assert not an_experiment(0).enrolls(ALICE, first)
    assert an_experiment(0.01).enrolls(ALICE, first)
    assert an_experiment(100).enrolls(ALICE, last)
    assert not an_experiment(99.99).enrolls(ALICE, last)


def test_a_share_is_what_was_written_and_not_its_float() -> None:
    assert share_of(0.1) == Fraction(1, 10)
    border = EXPERIMENT_PLACES // 1000
    assert an_experiment(0.1).enrolls(ALICE, Extremes(border))
    assert not an_experiment(0.1).enrolls(ALICE, Extremes(border + 1))


@pytest.mark.parametrize("share", [0.5, 5, 12.5, 50, 75, 99])
def test_a_share_takes_so_many(share: float) -> None:
    expected = len(ACCOUNTS) * share / 100
    # Four standard deviations; the accounts and the key are fixed, so this is the same at each run.
    assert abs(sum(members(an_experiment(share))) - expected) <= 4 * sqrt(expected * (1 - share / 100))


@given(accounts, shares)
def test_an_account_is_drawn_the_same_each_time(account: PublicKey, share: float) -> None:
    one, again = an_experiment(share), an_experiment(share)
    assert one.enrolls(account, PSEUDONYMS) == again.enrolls(account, Pseudonyms(bytes(range(32))))


@given(accounts, shares, shares)
def test_a_share_that_grows_takes_nobody_out(account: PublicKey, one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert an_experiment(more).enrolls(account, PSEUDONYMS) >= an_experiment(less).enrolls(account, PSEUDONYMS)


def test_a_draw_is_as_it_was_when_it_was_first_published() -> None:
    assert [PSEUDONYMS.place_in("beta", account) for account in ACCOUNTS[:2]] == PLACES


def correlation(one: Sequence[bool], other: Sequence[bool]) -> float:
    """Return Pearson's coefficient of two draws, in standard deviations of what independent draws have."""
    size = len(one)
    mean_one, mean_other = sum(one) / size, sum(other) / size
    covariance = sum((a - mean_one) * (b - mean_other) for a, b in zip(one, other, strict=True)) / size
    return covariance / sqrt(mean_one * (1 - mean_one) * mean_other * (1 - mean_other)) * sqrt(size)


NAMES = ["beta", "beta2", "gamma", "turnBeta", "a", "b", "ab", "ba"]


@pytest.mark.parametrize("share", [10, 50])
def test_who_takes_part_in_one_experiment_says_nothing_about_another(share: float) -> None:
    drawn_by_name = {name: members(an_experiment(share, name=name)) for name in NAMES}
    worst = max(abs(correlation(drawn_by_name[one], drawn_by_name[other])) for one, other in combinations(NAMES, 2))
    # 28 pairs: independent draws pass 4 deviations once in 500 seeds, and the seed is fixed.
    assert worst < 4


def test_dependent_draws_would_be_found() -> None:
    one = members(an_experiment(50))
    assert abs(correlation(one, [not member for member in one])) > 4
    assert abs(correlation(one, members(an_experiment(60)))) > 4


def test_another_bridge_draws_others() -> None:
    other = Pseudonyms(bytes(32))
    assert abs(correlation(members(an_experiment(50)), members(an_experiment(50), other))) < 4


def test_a_place_is_no_pseudonym_of_another_family() -> None:
    place = f"{PSEUDONYMS.place_in('beta', ALICE):016x}"
    assert place not in (PSEUDONYMS.of_account(ALICE), PSEUDONYMS.of_turn_user(ALICE, 1)[:16])


def test_an_experiment_is_about_one_provider_or_the_only_one() -> None:
    assert an_experiment().is_about("coturn")
    assert replace(an_experiment(), provider="coturn").is_about("coturn")
    assert not replace(an_experiment(), provider="coturn").is_about("static")

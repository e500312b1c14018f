"""Token buckets in memory."""

from __future__ import annotations

import pytest

from bridge.relay.rates import MailboxBuckets, MailboxRates, Rate, bytes_per_second, kib, per_day, per_second


def test_burst_is_there_at_once_and_then_the_rate_holds() -> None:
    rate = Rate(per_second(10, burst=3))
    assert [rate.take(0.0) for _ in range(3)] == [0, 0, 0]
    assert rate.take(0.0) == pytest.approx(0.1)
    assert rate.take(0.1) == 0
    assert rate.take(0.1) > 0


def test_refusal_leaves_no_debt() -> None:
    rate = Rate(per_second(1, burst=1))
    assert rate.take(0.0) == 0
    assert all(rate.take(0.0) == 1 for _ in range(100))
    assert rate.take(1.0) == 0


def test_unused_permits_do_not_pile_up_beyond_the_burst() -> None:
    rate = Rate(per_second(10, burst=2))
    rate.take(0.0)
    assert [rate.take(1000.0) > 0 for _ in range(3)] == [False, False, True]


@pytest.mark.parametrize("figure", [0.001, 1, 20, 1000, 20_000, 1_000_000])
def test_rates_of_settings_are_kept_exactly(figure: float) -> None:
    rate = Rate(per_second(figure, burst=1))
    assert rate.take(0.0) == 0
    assert rate.take(0.0) == pytest.approx(1 / figure)
    assert rate.take(1 / figure) == 0


SMALL = MailboxBuckets(recipient=per_second(1, burst=2), sender=per_second(1, burst=1), kept=per_day(2))


def test_recipients_and_senders_have_separate_buckets() -> None:
    rates = MailboxRates(SMALL, maximum=10)
    assert rates.take("alice", "here", 0.0, is_kept=False) == 0
    assert rates.take("alice", "here", 0.0, is_kept=False) == 1
    assert rates.take("bob", "here", 0.0, is_kept=False) == 0
    assert rates.take("alice", "there", 0.0, is_kept=False) == 0
    assert rates.take("alice", "elsewhere", 0.0, is_kept=False) == 1


def test_only_what_is_kept_counts_by_the_day() -> None:
    rates = MailboxRates(SMALL, maximum=10)
    for second in range(0, 20, 2):
        assert rates.take("alice", "here", second, is_kept=False) == 0
    for second in (20, 22):
        assert rates.take("alice", "here", second, is_kept=True) == 0
    assert rates.take("alice", "here", 24, is_kept=True) == pytest.approx(43_200 - 4)
    assert rates.take("alice", "here", 24, is_kept=False) == 0
    rates.not_kept("alice", "here")
    assert rates.take("alice", "here", 26, is_kept=True) == 0
    rates.not_kept("nobody", "here")


def test_no_more_is_remembered_than_the_maximum() -> None:
    rates = MailboxRates(SMALL, maximum=3)
    for number in range(50):
        rates.take(str(number), "here", 0.0, is_kept=True)
        rates.take("alice", str(number), 0.0, is_kept=True)
    assert len(rates) == 3


def test_who_was_longest_idle_is_forgotten_first() -> None:
    rates = MailboxRates(MailboxBuckets(sender=per_second(0.001, burst=1)), maximum=2)
    for name, second in (("old", 0.0), ("new", 0.0), ("old", 1.0), ("newer", 1.0)):
        rates.take(name, "here", second, is_kept=False)
    assert rates.take("old", "here", 1.0, is_kept=False) > 0
    assert rates.take("new", "here", 1.0, is_kept=False) == 0


def test_several_permits_are_taken_together_or_not_at_all() -> None:
    rate = Rate(per_second(10, burst=5))
    assert rate.take(0.0, 4) == 0
    assert rate.take(0.0, 3) == pytest.approx(0.2)
    assert rate.take(0.0) == 0
    assert rate.take(0.4, 4) == 0


def test_what_is_given_back_can_be_taken_again_here_and_of_the_shared_bucket() -> None:
    shared = Rate(per_second(0.001, burst=3))
    rate = Rate(per_second(0.001, burst=3), shared)
    assert rate.take(0.0, 3) == 0
    rate.give_back(2)
    assert shared.take(0.0, 2) == 0
    shared.give_back(2)
    assert rate.take(0.0, 2) == 0
    assert shared.take(0.0) > 0


def test_who_floods_leaves_the_last_quarter_to_quiet_neighbours() -> None:
    shared = Rate(per_second(200, burst=2000))
    flooding = [Rate(per_second(20, burst=200), shared) for _ in range(12)]
    quiet = Rate(per_second(20, burst=200), shared)
    for tick in range(600):
        now = tick / 10
        for one in flooding:
            while not one.take(now):
                pass
        if tick % 10 == 9:
            assert quiet.take(now) == 0


def test_all_that_floods_together_gets_the_rate_of_the_shared_bucket() -> None:
    shared = Rate(per_second(10, burst=100))
    flooding = [Rate(per_second(5, burst=50), shared) for _ in range(4)]
    taken = sum(not one.take(second) for second in range(1000) for one in flooding for _ in range(20))
    assert 10_000 <= taken <= 10_100


def test_bytes_are_counted_in_begun_kib() -> None:
    assert [kib(size) for size in (0, 1, 1024, 1025)] == [0, 1, 1, 2]
    rate = Rate(bytes_per_second(2048, burst=4096))
    assert rate.take(0.0, kib(4096)) == 0
    assert rate.take(0.0, kib(1025)) == 1

"""When a provider is left alone, and when it is taken up again."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bridge.turn.breaker import Breaker, BreakerRules

RULES = BreakerRules(calls=4, failure_percent=50, open_seconds=10, probes=2)


def a_breaker(rules: BreakerRules = RULES) -> Breaker:
    return Breaker(rules)


def call(breaker: Breaker, *, now: float, is_good: bool) -> None:
    ticket = breaker.ask(now)
    assert ticket is not None
    if is_good:
        breaker.succeeded(ticket)
    else:
        breaker.failed(ticket, now)


def an_open_breaker(*, at: float = 100) -> Breaker:
    breaker = a_breaker()
    for _ in range(2):
        call(breaker, now=at, is_good=False)
    return breaker


def test_one_failure_is_no_verdict() -> None:
    breaker = a_breaker()
    call(breaker, now=1, is_good=False)
    assert breaker.is_closed


@pytest.mark.parametrize(
    ("percent", "outcomes", "is_closed"),
    [
        (50, "gggf", True),
        (50, "ggff", False),
        (75, "ggff", True),
        (75, "fgff", False),
        (100, "gfff", True),
        (1, "gf", False),
        (50, "ffff", False),
    ],
)
def test_share_of_failures_decides(percent: float, outcomes: str, is_closed: bool) -> None:
    breaker = a_breaker(BreakerRules(calls=4, failure_percent=percent))
    tickets = [breaker.ask(0) for _ in outcomes]
    for ticket, outcome in zip(tickets, outcomes, strict=True):
        assert ticket is not None
        if outcome == "g":
            breaker.succeeded(ticket)
        else:
            breaker.failed(ticket, 0)
    assert breaker.is_closed is is_closed


def test_only_the_latest_calls_count() -> None:
    breaker = a_breaker()
    for is_good in (True, True, True, False, True, True, True, False, True, True, True, False):
        call(breaker, now=1, is_good=is_good)
    assert breaker.is_closed


def test_open_breaker_lets_nobody_through_until_its_time_has_passed() -> None:
    breaker = an_open_breaker(at=100)
    assert not breaker.is_closed
    assert breaker.ask(109.9) is None
    assert breaker.ask(110) is not None


def test_one_probe_at_a_time() -> None:
    breaker = an_open_breaker(at=100)
    probe = breaker.ask(110)
    assert probe is not None
    assert breaker.ask(110) is None
    assert breaker.ask(10_000) is None
    breaker.succeeded(probe)
    assert breaker.ask(110) is not None


def test_so_many_good_probes_close_it() -> None:
    breaker = an_open_breaker(at=100)
    call(breaker, now=110, is_good=True)
    assert not breaker.is_closed
    call(breaker, now=110, is_good=True)
    assert breaker.is_closed


def test_bad_probe_opens_it_again_and_the_good_ones_before_are_forgotten() -> None:
    breaker = an_open_breaker(at=100)
    call(breaker, now=110, is_good=True)
    call(breaker, now=111, is_good=False)
    assert breaker.ask(120.9) is None
    call(breaker, now=121, is_good=True)
    assert not breaker.is_closed


def test_probe_that_we_broke_off_says_nothing_and_makes_room_for_another() -> None:
    breaker = an_open_breaker(at=100)
    probe = breaker.ask(110)
    assert probe is not None
    breaker.gave_up(probe)
    assert breaker.ask(110) is not None


def test_call_from_before_it_opened_does_not_count_as_a_probe() -> None:
    breaker = a_breaker()
    late, early, other = (breaker.ask(100) for _ in range(3))
    assert late is not None
    assert early is not None
    assert other is not None
    for ticket in (early, other):
        breaker.failed(ticket, 100)
    breaker.succeeded(late)
    call(breaker, now=110, is_good=True)
    assert not breaker.is_closed


def test_after_closing_the_failures_before_are_forgotten() -> None:
    breaker = an_open_breaker(at=100)
    for _ in range(2):
        call(breaker, now=110, is_good=True)
    call(breaker, now=111, is_good=False)
    assert breaker.is_closed


def test_other_rules_keep_what_happened() -> None:
    breaker = a_breaker()
    call(breaker, now=1, is_good=False)
    breaker.adopt(BreakerRules(calls=2, failure_percent=100))
    call(breaker, now=1, is_good=False)
    assert not breaker.is_closed
    breaker.adopt(BreakerRules(open_seconds=3))
    assert breaker.ask(3.9) is None
    assert breaker.ask(4) is not None


class BreakerMachine(RuleBasedStateMachine):
    """Any order of calls, outcomes and time."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(RULES)
        self.now = 0.0
        self.opened_at: float | None = None
        self.under_way: list[tuple[int, bool]] = []

    @rule(seconds=st.floats(0, 30))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def ask(self) -> None:
        was_closed, may = self.breaker.is_closed, self.breaker.may_ask(self.now)
        ticket = self.breaker.ask(self.now)
        assert (ticket is not None) is may
        if ticket is not None:
            if not was_closed:
                assert self.opened_at is not None
                assert self.now - self.opened_at >= RULES.open_seconds
            self.under_way.append((ticket, not was_closed))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), how=st.sampled_from(["good", "bad", "given up"]))
    def end(self, data: st.DataObject, how: str) -> None:
        ticket, _ = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        was_closed = self.breaker.is_closed
        if how == "good":
            self.breaker.succeeded(ticket)
            assert self.breaker.is_closed or not was_closed, "a success never opens"
        elif how == "bad":
            counts = was_closed or ticket == self.breaker._period
            self.breaker.failed(ticket, self.now)
            assert was_closed or not self.breaker.is_closed, "a failure never closes"
            if counts and not self.breaker.is_closed:
                self.opened_at = self.now
        else:
            self.breaker.gave_up(ticket)
            assert self.breaker.is_closed is was_closed, "what was broken off decides nothing"

    @invariant()
    def one_probe_at_most(self) -> None:
        if not self.breaker.is_closed:
            current = [ticket for ticket, is_probe in self.under_way if is_probe and ticket == self.breaker._period]
            assert len(current) <= 1

    @invariant()
    def never_stuck(self) -> None:
        has_probe = any(is_probe and ticket == self.breaker._period for ticket, is_probe in self.under_way)
        later = self.now + RULES.open_seconds + 0.001
        assert self.breaker.may_ask(later) is (self.breaker.is_closed or not has_probe)


BreakerMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=60)
test_any_order_of_events_keeps_the_promises = BreakerMachine.TestCase

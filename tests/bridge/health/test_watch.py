"""From what is wrong to what the operator is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bridge.conditions import Conditions
from bridge.health.incidents import Change
from bridge.health.memory import IncidentMemory
from bridge.health.notices import Notice, notice_rules
from bridge.health.watch import ANSWERS, REQUESTS, Watch
from bridge.tallies import DEFERRED, RequestTallies
from client.status import RelayStatus
from protocol.catalogue import load_catalogue
from tests.support.clock import FixedClock
from tests.support.pipeline import settings_with

RELAY = "wss://relay.example"
RULES = notice_rules(settings_with())


class Link:
    """A link that a test loses."""

    def __init__(self) -> None:
        self.failures = 0

    @property
    def status(self) -> RelayStatus:
        since = None if self.failures else 1
        return RelayStatus(RELAY, since, self.failures, "OSError", {}, {}, 0, 0, None)  # type: ignore[arg-type]


class Bridge:
    """All that is watched over, on a clock of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.clock = FixedClock()
        self.conditions = Conditions()
        self.link = Link()
        self.notices: list[Notice] = []
        self.delivers = True
        self.start()

    def start(self) -> None:
        """Start, or start again."""
        self.tallies = RequestTallies(load_catalogue())
        self.watch = Watch(
            RULES,
            tallies=self.tallies,
            conditions=self.conditions,
            links={RELAY: self.link},
            memory=IncidentMemory(self.home),
            tell=self._tell,
            clock=self.clock,
        )

    def _tell(self, notice: Notice) -> None:
        self.notices.append(notice)
        if self.delivers:
            self.watch.delivered(notice)

    def live(self, seconds: int, *, good: int = 0, failed: int = 0) -> None:
        """Let time go by, with so many requests at each look."""
        for _ in range(0, seconds, 5):
            for outcome, amount in (("ok", good), ("BRIDGE_INTERNAL", failed)):
                for _ in range(amount):
                    self.tallies.end("bridge.info", outcome, 0.1, is_admitted=True)
            self.clock.advance(5)
            self.watch.look()

    @property
    def told(self) -> list[tuple[str, Change]]:
        return [(notice.incident, notice.change) for notice in self.notices]


@pytest.fixture
def bridge(tmp_path: Path) -> Bridge:
    return Bridge(tmp_path)


def test_requests_that_fail_are_told_once_and_that_it_is_over_once(bridge: Bridge) -> None:
    bridge.live(600, good=10)
    assert bridge.told == []
    bridge.live(600, good=9, failed=1)
    assert bridge.told == [(REQUESTS, Change.BEGAN)]
    assert "5 %" in bridge.notices[0].text
    bridge.live(300 + 600 + 10, good=10)
    assert bridge.told == [(REQUESTS, Change.BEGAN), (REQUESTS, Change.ENDED)]
    assert bridge.watch.open_incidents == {}


def test_a_share_below_the_limit_is_not_told(bridge: Bridge) -> None:
    bridge.live(3600, good=96, failed=4)
    assert bridge.told == []


def test_who_is_refused_neither_makes_an_incident_nor_hides_one(bridge: Bridge) -> None:
    def refuse() -> None:
        for outcome in ("full", "no_provider", "BRIDGE_POW_REQUIRED", "silence"):
            for _ in range(500):
                bridge.tallies.end("account.get", outcome, 0.1)

    for _ in range(120):
        refuse()
        bridge.live(5, good=10)
    assert bridge.told == []
    for _ in range(120):
        refuse()
        bridge.live(5, good=9, failed=1)
    assert bridge.told == [(REQUESTS, Change.BEGAN)]


def test_few_requests_tell_nothing(bridge: Bridge) -> None:
    bridge.live(60, failed=1)
    assert bridge.told == []


def test_part_that_is_down_is_told_with_its_problem_when_it_lasts(bridge: Bridge) -> None:
    bridge.conditions.set("turn", "no provider answers", is_down=True)
    bridge.live(50)
    assert bridge.told == []
    bridge.live(1000)
    assert bridge.told == [("turn", Change.BEGAN)]
    assert "no provider answers" in bridge.notices[0].text
    bridge.conditions.set("turn", None)
    bridge.live(1000)
    assert bridge.told == [("turn", Change.BEGAN), ("turn", Change.ENDED)]


def test_part_that_is_only_worse_is_not_told(bridge: Bridge) -> None:
    bridge.conditions.set("turn.static", "slow")
    bridge.live(3600)
    assert bridge.told == []


def test_restart_amid_an_incident_repeats_nothing_and_tells_its_end(bridge: Bridge) -> None:
    bridge.conditions.set("turn", "gone", is_down=True)
    bridge.live(100)
    bridge.start()
    bridge.live(1000)
    assert bridge.told == [("turn", Change.BEGAN)]
    bridge.conditions.set("turn", None)
    bridge.start()
    bridge.live(1000)
    assert bridge.told == [("turn", Change.BEGAN), ("turn", Change.ENDED)]
    bridge.start()
    bridge.live(1000)
    assert len(bridge.told) == 2


def test_notice_that_reached_nobody_is_made_again_after_a_restart(bridge: Bridge) -> None:
    bridge.delivers = False
    bridge.conditions.set("turn", "gone", is_down=True)
    bridge.live(100)
    bridge.start()
    bridge.live(100)
    assert bridge.told == [("turn", Change.BEGAN)] * 2


def test_relay_that_is_not_linked_for_long_is_degraded_and_not_down(bridge: Bridge) -> None:
    bridge.link.failures = 2
    bridge.live(5)
    assert bridge.conditions.problems == {}
    bridge.link.failures = 3
    bridge.live(5)
    assert list(bridge.conditions.problems) == [f"relay {RELAY}"]
    assert bridge.conditions.down == {}
    bridge.link.failures = 0
    bridge.live(5)
    assert bridge.conditions.problems == {}


def test_answers_that_are_put_off_are_down_until_some_are_answered(bridge: Bridge) -> None:
    bridge.tallies.end(None, DEFERRED, 0.1)
    bridge.live(5)
    assert list(bridge.conditions.down) == [ANSWERS]
    bridge.live(60)
    assert list(bridge.conditions.down) == [ANSWERS]
    bridge.live(5, good=1)
    assert bridge.conditions.problems == {}


def test_other_rules_count_from_the_next_look(bridge: Bridge) -> None:
    bridge.watch.adopt(replace(RULES, fault_percent=50))
    bridge.live(600, good=9, failed=1)
    assert bridge.told == []


def test_incidents_that_are_long_over_are_forgotten(bridge: Bridge) -> None:
    for number in range(50):
        bridge.conditions.set(f"part {number}", "slow", is_down=True)
        bridge.live(10)
        bridge.conditions.set(f"part {number}", None)
        bridge.live(10)
    assert set(bridge.watch._incidents) <= {REQUESTS, "part 49"}

"""Addresses of names, known before they are asked for; the name server is real, the clock is moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from bridge.conditions import Conditions
from bridge.settings.turn_names import AddressFamily as Family
from bridge.turn.names import PART, NameRules, Names
from bridge.turn.resolver import Answers
from tests.support.clock import FixedClock
from tests.support.deadline import SCALE, within
from tests.support.name_server import NameServer, a_name_server, lines

NAME = "turn.example.org"
V4, V6 = "9.9.9.9", "2620:fe::fe"
OTHER_V4 = "1.1.1.1"
ZONE = (f"{NAME} 60 A {V4}", f"{NAME} 60 AAAA {V6}")

RULES = NameRules(
    resolvers=(),
    timeout_seconds=5 * SCALE,
    min_cache_seconds=5,
    max_cache_seconds=3600,
    stale_seconds=1000,
    failure_seconds=7,
    max_names=3,
    max_addresses=4,
    first_family=Family.IPV4,
    allow_private=False,
)
SOON = 0.1


@dataclass(slots=True)
class House:
    """Names with what they stand on."""

    names: Names
    rules: NameRules
    server: NameServer
    clock: FixedClock
    conditions: Conditions

    async def of(self, name: str = NAME) -> list[str]:
        async with within(10):
            return [str(address) for address in await self.names.addresses_of(name)]

    async def settle(self) -> None:
        """Return when no look-up runs."""
        async with within(10):
            for entry in list(self.names._entries.values()):
                while entry.under_way is not None:
                    await entry.under_way.wait()

    async def now_known(self, name: str = NAME) -> list[str]:
        """Have what is due looked up, and return what is known after it."""
        await self.of(name)
        await self.settle()
        return await self.of(name)

    def adopt(self, **changes: object) -> None:
        self.rules = replace(self.rules, **changes)  # type: ignore[arg-type]
        self.names.adopt(self.rules)


@asynccontextmanager
async def a_house(*zone: str, **changes: object) -> AsyncIterator[House]:
    async with a_name_server("127.0.0.1", *(zone or ZONE)) as server:
        rules = replace(RULES, resolvers=[server.address], **changes)  # type: ignore[arg-type]
        clock, conditions = FixedClock(), Conditions()
        names = Names(rules, clock, conditions)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(names.run())
            try:
                yield House(names, rules, server, clock, conditions)
            finally:
                running.cancel()


# --- what is told


async def test_both_families_are_told_ipv4_first() -> None:
    async with a_house() as house:
        assert await house.of() == [V4, V6]


async def test_the_operator_chooses_which_family_is_first() -> None:
    async with a_house(first_family=Family.IPV6) as house:
        assert await house.of() == [V6, V4]


@pytest.mark.parametrize(("kept", "address"), [(0, V4), (1, V6)])
async def test_one_family_is_enough(kept: int, address: str) -> None:
    async with a_house(ZONE[kept]) as house:
        assert await house.of() == [address]
        assert house.conditions.problems == {}


@pytest.mark.parametrize("host", [V4, V6, "10.0.0.1"])
async def test_an_address_in_the_settings_is_told_without_dns(host: str) -> None:
    async with a_house() as house:
        assert await house.of(host) == [host]
        assert house.server.asked == []


async def test_a_name_is_the_same_however_it_is_written() -> None:
    async with a_house() as house:
        assert await house.of("Turn.Example.org.") == await house.of(NAME)
        assert len(house.server.asked) == 2


async def test_of_many_addresses_only_so_many_of_each_family_are_told() -> None:
    many = [f"9.9.9.{number}" for number in range(1, 30)]
    async with a_house(*lines(NAME, "A", many), ZONE[1]) as house:
        assert await house.of() == [*many[:4], V6]


# --- how long it is told


async def test_a_name_is_not_asked_for_again_before_its_time_is_over() -> None:
    async with a_house() as house:
        await house.of()
        house.clock.advance(59.9)
        await house.now_known()
        assert len(house.server.asked) == 2
        house.clock.advance(0.1)
        await house.now_known()
        assert len(house.server.asked) == 4


async def test_a_time_to_live_of_zero_does_not_have_each_request_ask() -> None:
    async with a_house(f"{NAME} 0 A {V4}") as house:
        for _ in range(5):
            assert await house.of() == [V4]
        house.clock.advance(4.9)
        await house.now_known()
        assert len(house.server.asked) == 2
        house.clock.advance(0.1)
        await house.now_known()
        assert len(house.server.asked) == 4


async def test_a_time_to_live_of_days_is_cut() -> None:
    async with a_house(f"{NAME} 900000 A {V4}", f"{NAME} 900000 AAAA {V6}") as house:
        await house.of()
        house.clock.advance(3600)
        await house.now_known()
        assert len(house.server.asked) == 4


async def test_the_family_with_the_shorter_time_has_both_asked_for_again() -> None:
    async with a_house(f"{NAME} 300 A {V4}", f"{NAME} 30 AAAA {V6}") as house:
        await house.of()
        house.clock.advance(30)
        await house.now_known()
        assert len(house.server.asked) == 4


async def test_a_new_answer_never_keeps_a_request_waiting() -> None:
    async with a_house() as house:
        await house.of()
        house.clock.advance(60)
        house.server.serve(f"{NAME} 60 A {OTHER_V4}")
        house.server.gate.clear()
        assert await house.of() == [V4, V6]
        assert await house.of() == [V4, V6]
        house.server.gate.set()
        await house.settle()
        assert await house.of() == [OTHER_V4]


async def test_many_who_ask_at_once_have_one_look_up() -> None:
    async with a_house() as house:
        house.server.gate.clear()
        async with within(10), asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(house.of()) for _ in range(50)]
            await house.server.wait_asked(2)
            house.server.gate.set()
        assert [task.result() for task in asking] == [[V4, V6]] * 50
        assert len(house.server.asked) == 2


async def test_a_request_that_is_given_up_does_not_take_the_look_up_along() -> None:
    async with a_house() as house:
        house.server.gate.clear()
        async with within(10), asyncio.TaskGroup() as tasks:
            given_up = tasks.create_task(house.of())
            patient = tasks.create_task(house.of())
            await house.server.wait_asked(2)
            given_up.cancel()
            house.server.gate.set()
        assert patient.result() == [V4, V6]


async def test_names_that_will_be_needed_are_looked_up_at_the_start() -> None:
    async with a_house(expected=[NAME, V4]) as house:
        await house.server.wait_asked(2)
        await house.settle()
        assert await house.of() == [V4, V6]
        assert len(house.server.asked) == 2


# --- when the DNS fails


@pytest.mark.parametrize("code", ["SERVFAIL", "REFUSED", "NXDOMAIN"])
async def test_without_an_answer_no_address_is_told(code: str) -> None:
    async with a_house() as house:
        house.server.refuse(NAME, code)
        assert await house.of() == []


async def test_the_first_look_up_keeps_a_request_waiting_for_its_time_and_no_longer() -> None:
    async with a_house(timeout_seconds=SOON) as house:
        house.server.gate.clear()
        assert await house.of() == []
        await house.settle()
        assert house.conditions.problems == {PART: f"{NAME}: no answer in time"}


async def test_a_dead_resolver_keeps_only_the_first_request_waiting() -> None:
    async with a_house(timeout_seconds=SOON) as house:
        house.server.gate.clear()
        await house.of()
        await house.settle()
        house.adopt(timeout_seconds=3600)
        asked = len(house.server.asked)
        for _ in range(3):
            assert await house.of() == []
        assert len(house.server.asked) == asked
        house.clock.advance(RULES.failure_seconds)
        assert await house.of() == []
        await house.server.wait_asked(asked + 2)
        house.server.gate.set()
        await house.settle()
        assert await house.of() == [V4, V6]


async def test_the_last_answer_is_told_while_the_dns_fails_but_not_for_ever() -> None:
    async with a_house() as house:
        await house.of()
        house.server.refuse(NAME, "SERVFAIL")
        house.clock.advance(60)
        assert await house.now_known() == [V4, V6]
        assert house.conditions.problems == {PART: f"{NAME}: SERVFAIL"}
        house.clock.advance(RULES.stale_seconds)
        assert await house.now_known() == [V4, V6]
        house.clock.advance(1)
        assert await house.now_known() == []


async def test_after_a_long_silence_a_request_waits_for_a_fresh_answer() -> None:
    async with a_house() as house:
        await house.of()
        house.server.serve(f"{NAME} 60 A {OTHER_V4}")
        house.clock.advance(100_000)
        assert await house.of() == [OTHER_V4]


async def test_the_other_family_stays_known_when_one_fails() -> None:
    async with a_house() as house:
        await house.of()
        house.server.serve(f"{NAME} 60 A {OTHER_V4}")
        house.server.refuse(NAME, "SERVFAIL", record="AAAA")
        house.clock.advance(60)
        assert await house.now_known() == [OTHER_V4, V6]
        assert house.conditions.problems == {}


async def test_a_name_that_was_deleted_is_told_no_more() -> None:
    async with a_house() as house:
        await house.of()
        house.server.serve()
        house.clock.advance(60)
        assert await house.now_known() == []
        assert house.conditions.problems == {PART: f"{NAME}: no addresses"}


async def test_trouble_is_over_when_the_dns_answers_again() -> None:
    async with a_house() as house:
        house.server.refuse(NAME, "SERVFAIL")
        await house.of()
        assert PART in house.conditions.problems
        house.server.serve(*ZONE)
        house.clock.advance(RULES.failure_seconds)
        assert await house.now_known() == [V4, V6]
        assert house.conditions.problems == {}


# --- addresses that are not for everybody


@pytest.mark.parametrize("private", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0"])
async def test_a_private_address_in_a_public_name_is_not_told(private: str) -> None:
    async with a_house(f"{NAME} 60 A {private}", f"{NAME} 60 AAAA ::1") as house:
        assert await house.of() == []
        (problem,) = house.conditions.problems.values()
        assert "turn.names.allow_private" in problem


async def test_the_public_addresses_beside_private_ones_are_told() -> None:
    async with a_house(f"{NAME} 60 A 10.0.0.1", f"{NAME} 60 A {V4}", f"{NAME} 60 AAAA fd00::1") as house:
        assert await house.of() == [V4]


async def test_a_name_that_turns_private_is_told_no_more() -> None:
    async with a_house() as house:
        assert await house.of() == [V4, V6]
        house.server.serve(f"{NAME} 60 A 127.0.0.1", f"{NAME} 60 AAAA ::1")
        house.clock.advance(60)
        assert await house.now_known() == []
        house.clock.advance(60)
        house.server.refuse(NAME, "SERVFAIL")
        assert await house.now_known() == []


async def test_private_addresses_are_told_where_the_operator_allows_them() -> None:
    zone = (f"{NAME} 60 A 127.0.0.1", f"{NAME} 60 A 0.0.0.0", f"{NAME} 60 A 224.0.0.1", f"{NAME} 60 AAAA ::1")
    async with a_house(*zone, allow_private=True) as house:
        assert await house.of() == ["127.0.0.1", "::1"]


async def test_rules_that_change_count_for_what_is_known_already() -> None:
    async with a_house(f"{NAME} 60 A 10.0.0.1", f"{NAME} 60 A {V4}", ZONE[1], allow_private=True) as house:
        assert await house.of() == ["10.0.0.1", V4, V6]
        house.adopt(allow_private=False)
        assert await house.of() == [V4, V6]
        house.adopt(allow_private=True, max_addresses=1, first_family=Family.IPV6)
        assert await house.of() == [V6, "10.0.0.1"]
        assert len(house.server.asked) == 2


async def test_resolvers_that_change_are_asked_from_then_on() -> None:
    async with a_house() as house, a_name_server("127.0.0.1", f"{NAME} 60 A {OTHER_V4}") as other:
        await house.of()
        house.adopt(resolvers=[other.address])
        house.clock.advance(60)
        assert await house.now_known() == [OTHER_V4]
        assert len(house.server.asked) == 2


# --- how much is remembered


async def test_the_name_used_longest_ago_is_forgotten_first() -> None:
    async with a_house(*(f"{name} 60 A {V4}" for name in "abcd")) as house:
        for name in ("a", "b", "c", "a", "d"):
            assert await house.of(name) == [V4]
        assert set(house.names._entries) == {"c", "a", "d"}
        asked = len(house.server.asked)
        await house.of("a")
        assert len(house.server.asked) == asked
        await house.of("b")
        assert len(house.server.asked) == asked + 2


async def test_no_more_names_are_looked_up_at_once_than_are_remembered() -> None:
    async with a_house(timeout_seconds=3600) as house:
        house.server.gate.clear()
        async with asyncio.TaskGroup() as tasks:
            waiting = [tasks.create_task(house.of(name)) for name in "abc"]
            await house.server.wait_asked(6)
            assert await house.of("d") == []
            assert set(house.names._entries) == {"a", "b", "c"}
            for task in waiting:
                task.cancel()


async def test_trouble_with_a_name_that_is_forgotten_is_over() -> None:
    async with a_house(*(f"{name} 60 A {V4}" for name in "abc")) as house:
        await house.of("nothing")
        assert PART in house.conditions.problems
        await house.of("a")
        await house.of("b")
        house.server.gate.clear()
        async with within(10), asyncio.TaskGroup() as tasks:
            tasks.create_task(house.of("c"))
            await house.server.wait_asked(7)
            assert house.conditions.problems == {}
            house.server.gate.set()


async def test_a_smaller_room_is_kept_from_the_next_name_on() -> None:
    async with a_house(*(f"{name} 60 A {V4}" for name in "abcd")) as house:
        for name in "abc":
            await house.of(name)
        house.adopt(max_names=1)
        await house.of("d")
        assert set(house.names._entries) == {"d"}


async def test_several_names_in_trouble_are_counted() -> None:
    async with a_house() as house:
        await house.of("a")
        await house.of("b")
        assert house.conditions.problems == {PART: "a: no addresses; and 1 more"}


async def test_a_fault_of_ours_in_a_look_up_ends_nothing_and_the_name_is_asked_for_again_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fault(name: str, **_: object) -> Answers:
        raise ZeroDivisionError("planted")

    async with a_house() as house:
        with monkeypatch.context() as patched:
            patched.setattr("bridge.turn.names.look_up", fault)
            assert await house.of() == []
            assert house.conditions.problems == {PART: f"{NAME}: a fault of ours, ZeroDivisionError"}
        assert await house.now_known() == []
        house.clock.advance(7)
        assert await house.now_known() == [V4, V6]
        assert house.conditions.problems == {}
    assert "looking a name up failed" in caplog.messages
    assert "planted" not in caplog.text

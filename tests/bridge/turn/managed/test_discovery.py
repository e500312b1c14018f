"""The address outside, asked for and remembered."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest

from bridge.turn.managed.discovery import Discovery
from tests.bridge.turn.managed.plans import LOOPBACK, a_plan, rules_for
from tests.support.deadline import within
from tests.support.entropy import SeededEntropy

OUTSIDE = ip_address("44.4.4.4")


@asynccontextmanager
async def stun_server(told: str) -> AsyncIterator[tuple[str, int]]:
    """Answer every question with one address (RFC 8489 §14.2)."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setblocking(False)
        server.bind((str(LOOPBACK), 0))

        def answer() -> None:
            question, asker = server.recvfrom(1500)
            masked = bytes(a ^ b for a, b in zip(ip_address(told).packed, question[4:8], strict=True))
            attribute = struct.pack(">HHBBH", 0x0020, 8, 0, 1, 0) + masked
            server.sendto(struct.pack(">HH", 0x0101, len(attribute)) + question[4:20] + attribute, asker)

        loop.add_reader(server, answer)
        try:
            yield "localhost", server.getsockname()[1]
        finally:
            loop.remove_reader(server)


async def test_nobody_is_asked_unless_a_server_is_named(tmp_path: Path) -> None:
    rules = rules_for(a_plan(tmp_path))
    assert await Discovery(SeededEntropy()).fill(rules) == rules.plan


async def test_address_outside_comes_into_the_plan(tmp_path: Path) -> None:
    async with within(), stun_server(str(OUTSIDE)) as place:
        plan = await Discovery(SeededEntropy()).fill(rules_for(a_plan(tmp_path), discover_from=place))
    assert plan.external == ((OUTSIDE, LOOPBACK),)


async def test_machine_that_is_outside_itself_needs_no_translation(tmp_path: Path) -> None:
    async with within(), stun_server(str(LOOPBACK)) as place:
        plan = await Discovery(SeededEntropy()).fill(rules_for(a_plan(tmp_path), discover_from=place))
    assert plan.external == ()


@pytest.mark.parametrize("told", ["0.0.0.0", "10.9.9.9", "169.254.169.254", "224.0.0.1", "255.255.255.255"])
async def test_address_that_nobody_outside_reaches_is_not_believed(
    told: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with within(), stun_server(told) as place:
        plan = await Discovery(SeededEntropy()).fill(rules_for(a_plan(tmp_path), discover_from=place))
    assert plan.external == ()
    assert "no public address" in caplog.text


async def test_other_address_is_believed_when_it_is_told_twice_running(tmp_path: Path) -> None:
    discovery, plan = Discovery(SeededEntropy()), a_plan(tmp_path)
    found = []
    for told in (str(OUTSIDE), "45.5.5.5", str(OUTSIDE), "45.5.5.5", "45.5.5.5"):
        async with within(), stun_server(told) as place:
            found.append((await discovery.fill(rules_for(plan, discover_from=place))).external[0][0])
    assert found == [OUTSIDE, OUTSIDE, OUTSIDE, OUTSIDE, ip_address("45.5.5.5")]


async def test_what_was_found_holds_while_nobody_answers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    discovery, plan = Discovery(SeededEntropy()), a_plan(tmp_path)
    async with within(), stun_server(str(OUTSIDE)) as place:
        found = await discovery.fill(rules_for(plan, discover_from=place))
    async with within():
        assert await discovery.fill(rules_for(plan, discover_from=place)) == found
    assert "turn.managed.discover_from does not answer" in caplog.text


async def test_host_that_nobody_knows_leaves_the_plan(tmp_path: Path) -> None:
    rules = rules_for(a_plan(tmp_path), discover_from=("stun.invalid", 3478))
    async with within():
        assert await Discovery(SeededEntropy()).fill(rules) == rules.plan


async def test_only_ipv4_is_translated(tmp_path: Path) -> None:
    plan = a_plan(tmp_path, addresses=(ip_address("::1"),))
    assert await Discovery(SeededEntropy()).fill(rules_for(plan, discover_from=("127.0.0.1", 9))) == plan

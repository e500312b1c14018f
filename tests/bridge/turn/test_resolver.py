"""Asking the DNS, against a name server on this machine."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from pathlib import Path

import dns.resolver
import pytest
from dnslib import DNSRecord
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.settings.turn_names import AddressFamily as Family
from bridge.turn.resolver import MAX_ADDRESSES, Answers, Found, NotFound, look_up
from tests.support.deadline import SCALE, within
from tests.support.name_server import NameServer, a_name_server, lines, truncated_over_udp

NAME = "turn.example.org"
V4, V6 = "9.9.9.9", "2620:fe::fe"
SOON = 0.2
"""A time that is over before a test is."""


async def ask(*servers: NameServer, name: str = NAME, timeout_seconds: float = 5 * SCALE) -> Answers:
    async with within(20):
        return await look_up(name, resolvers=[server.address for server in servers], timeout_seconds=timeout_seconds)


def found(answers: Answers, family: Family) -> Found:
    answer = answers[family]
    assert isinstance(answer, Found), answer
    return answer


def addresses(answers: Answers) -> list[str]:
    return [str(address) for family in Family for address in found(answers, family).addresses]


def reason(answers: Answers, family: Family = Family.IPV4) -> str:
    answer = answers[family]
    assert isinstance(answer, NotFound), answer
    return answer.reason


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_both_families_are_asked_for_together(host: str) -> None:
    async with a_name_server(host, f"{NAME} 60 A {V4}", f"{NAME} 30 AAAA {V6}") as server:
        server.gate.clear()
        async with within(20), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(ask(server))
            await server.wait_asked(2)
            server.gate.set()
        answers = task.result()
    assert sorted(server.asked) == [(NAME, "A", "udp"), (NAME, "AAAA", "udp")]
    assert answers == {
        Family.IPV4: Found((ip_address(V4),), 60),
        Family.IPV6: Found((ip_address(V6),), 30),
    }


async def test_a_name_may_have_one_family_only() -> None:
    async with a_name_server("127.0.0.1", f"{NAME} 60 AAAA {V6}") as server:
        answers = await ask(server)
    assert found(answers, Family.IPV4).addresses == ()
    assert found(answers, Family.IPV6).addresses == (ip_address(V6),)


async def test_addresses_keep_the_order_of_the_answer() -> None:
    order = ["9.9.9.10", "1.1.1.1", "149.112.112.112"]
    async with a_name_server("127.0.0.1", *lines(NAME, "A", order)) as server:
        assert addresses(await ask(server)) == order


async def test_a_name_that_does_not_exist_has_no_addresses_as_long_as_its_zone_says() -> None:
    async with a_name_server() as server:
        server.refuse(
            NAME, "NXDOMAIN", authority="example.org 900 SOA ns.example.org hostmaster.example.org 1 2 3 4 77"
        )
        answers = await ask(server)
    assert answers == dict.fromkeys(Family, Found((), 77))


@pytest.mark.parametrize("code", ["SERVFAIL", "REFUSED", "NOTIMP", "FORMERR"])
async def test_a_server_that_refuses_says_why(code: str) -> None:
    async with a_name_server() as server:
        server.refuse(NAME, code)
        assert reason(await ask(server)) == code


async def test_one_family_may_fail_alone() -> None:
    async with a_name_server("127.0.0.1", f"{NAME} 60 A {V4}") as server:
        server.refuse(NAME, "SERVFAIL", record="AAAA")
        answers = await ask(server)
    assert found(answers, Family.IPV4).addresses == (ip_address(V4),)
    assert reason(answers, Family.IPV6) == "SERVFAIL"


async def test_a_silent_server_is_given_up_in_time() -> None:
    async with a_name_server() as server:
        server.gate.clear()
        assert reason(await ask(server, timeout_seconds=SOON)) == "no answer in time"


async def test_a_lost_datagram_is_sent_again() -> None:
    async with a_name_server("127.0.0.1", f"{NAME} 60 A {V4}") as server:
        lost: list[str] = []

        def lose_first(answer: DNSRecord, transport: str) -> DNSRecord | None:
            kind = str(answer.q.qtype)
            if kind in lost:
                return answer
            lost.append(kind)
            return None

        server.alter = lose_first
        assert addresses(await ask(server, timeout_seconds=2 * SCALE)) == [V4]
    assert len(server.asked) == 4


async def test_when_the_first_servers_are_silent_the_next_is_asked_in_time() -> None:
    async with (
        a_name_server() as one,
        a_name_server() as other,
        a_name_server("127.0.0.1", f"{NAME} 60 A {V4}") as last,
    ):
        for silent in (one, other):
            silent.gate.clear()
        assert addresses(await ask(one, other, last, timeout_seconds=2 * SCALE)) == [V4]
        assert one.asked
        assert other.asked


async def test_when_nobody_listens_at_the_first_server_the_next_is_asked() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
    async with a_name_server("127.0.0.1", f"{NAME} 60 A {V4}") as server:
        answers = await look_up(NAME, resolvers=[("127.0.0.1", port), server.address], timeout_seconds=5 * SCALE)
    assert addresses(answers) == [V4]


async def test_what_does_not_fit_a_datagram_comes_over_tcp() -> None:
    many = [f"9.9.{number // 250}.{number % 250 + 1}" for number in range(60)]
    async with a_name_server("127.0.0.1", *lines(NAME, "A", many)) as server:
        server.alter = truncated_over_udp
        assert addresses(await ask(server)) == many
    assert (NAME, "A", "tcp") in server.asked


async def test_of_a_huge_answer_only_so_much_is_looked_at() -> None:
    many = [f"9.{number // 250}.{number % 250 + 1}.9" for number in range(3000)]
    async with a_name_server("127.0.0.1", *lines(NAME, "A", many)) as server:
        server.alter = truncated_over_udp
        assert addresses(await ask(server)) == many[:MAX_ADDRESSES]


async def test_aliases_are_followed_and_the_shortest_time_counts() -> None:
    zone = (
        f"{NAME} 300 CNAME edge.example.net",
        "edge.example.net 20 CNAME host.example.net",
        f"host.example.net 300 A {V4}",
    )
    async with a_name_server("127.0.0.1", *zone) as server:
        answers = await ask(server)
    assert found(answers, Family.IPV4) == Found((ip_address(V4),), 20)


async def test_aliases_in_a_circle_are_no_answer() -> None:
    zone = (f"{NAME} 300 CNAME edge.example.net", f"edge.example.net 300 CNAME {NAME}")
    async with a_name_server("127.0.0.1", *zone) as server:
        assert reason(await ask(server))


async def test_a_name_that_cannot_be_asked_for_is_no_answer() -> None:
    async with a_name_server() as server:
        assert "cannot be asked for" in reason(await ask(server, name=f"{'a' * 64}.example"))


async def test_without_resolvers_those_of_the_system_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(dns.resolver.BaseResolver, "read_resolv_conf", lambda self, name: read.append(name))
    answers = await look_up(NAME, resolvers=(), timeout_seconds=SOON)
    assert read == ["/etc/resolv.conf"]
    assert reason(answers)


@pytest.fixture
def system_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that is read as the system's list of name servers."""
    file = tmp_path / "resolv.conf"
    read = dns.resolver.BaseResolver.read_resolv_conf
    monkeypatch.setattr(dns.resolver.BaseResolver, "read_resolv_conf", lambda self, name: read(self, str(file)))
    return file


@pytest.mark.parametrize(
    "text",
    [
        b"nameserver localhost\n",
        b"nameserver 127.0.0.1\n# caf\xe9\n",
        b"nameserver 1.2.3\n",
        b"nameserver 127.0.0.1\nsearch a..b\n",
        b"nameserver 127.0.0.1\ndomain " + b"a" * 300 + b"\n",
        b"nameserver fe80::1%nowhere\n",
        b"\0",
        b"",
    ],
)
async def test_a_list_of_name_servers_that_cannot_be_used_is_no_answer(system_file: Path, text: bytes) -> None:
    system_file.write_bytes(text)
    answers = await look_up(NAME, resolvers=(), timeout_seconds=SOON)
    assert [reason(answers, family) != "" for family in Family] == [True, True]


async def test_a_list_of_name_servers_that_is_missing_or_a_directory_is_no_answer(system_file: Path) -> None:
    assert reason(await look_up(NAME, resolvers=(), timeout_seconds=SOON))
    system_file.mkdir()
    assert reason(await look_up(NAME, resolvers=(), timeout_seconds=SOON))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_a_server_sends_is_an_answer_or_none(data: st.DataObject) -> None:
    async def attempt() -> None:
        async with a_name_server("127.0.0.1", f"{NAME} 60 A {V4}") as server:
            tail = data.draw(st.binary(max_size=60))
            cut = data.draw(st.integers(2, 60))
            flips = data.draw(st.lists(st.tuples(st.integers(2, 80), st.integers(0, 255)), max_size=6))

            def spoil(answer: DNSRecord, transport: str) -> bytes:
                whole = bytearray(answer.pack())
                for place, value in flips:
                    if place < len(whole):
                        whole[place] = value
                return bytes(whole[:cut] + tail)

            server.alter = spoil
            answers = await ask(server, timeout_seconds=0.05)
            assert set(answers) == set(Family)

    asyncio.run(attempt())

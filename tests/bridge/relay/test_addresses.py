"""Who counts as one, and whose word counts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.relay.addresses import Addresses
from bridge.relay.limits import AddressLimits
from bridge.relay.rates import Rate, per_second

PROXY, OUTER = "10.0.0.1", "192.0.2.9"


def behind(*proxies: str) -> Addresses:
    return Addresses(AddressLimits(trusted_proxies=proxies))


@pytest.mark.parametrize(
    ("forwarded", "caller"),
    [
        ([], PROXY),
        ([""], PROXY),
        (["198.51.100.7"], "198.51.100.7"),
        (["  198.51.100.7  "], "198.51.100.7"),
        (["198.51.100.7:4711"], "198.51.100.7"),
        (["2001:db8::7"], "2001:db8::7"),
        (["[2001:db8::7]"], "2001:db8::7"),
        (["[2001:db8::7]:4711"], "2001:db8::7"),
        (["::ffff:198.51.100.7"], "198.51.100.7"),
        # What the client claimed stands left of what the proxy saw.
        (["203.0.113.1, 198.51.100.7"], "198.51.100.7"),
        (["nonsense, <script>, 198.51.100.7"], "198.51.100.7"),
        (["203.0.113.1", "198.51.100.7"], "198.51.100.7"),
        # A second proxy of ours, and a stranger in front of it.
        (["203.0.113.1, 198.51.100.7, 192.0.2.9"], "198.51.100.7"),
        (["198.51.100.7, 192.0.2.9, 10.0.0.2"], "198.51.100.7"),
        (["192.0.2.9, 10.0.0.2"], OUTER),
        (["10.0.0.3"], "10.0.0.3"),
        # A hop that cannot be read counts for the proxy that wrote it.
        (["unknown"], PROXY),
        (["_hidden"], PROXY),
        (["198.51.100.7,"], PROXY),
        (["198.51.100.7, , 192.0.2.9"], OUTER),
        (["198.51.100.7, 999.1.1.1"], PROXY),
        (["for=198.51.100.7"], PROXY),
        (["[2001:db8::7"], "2001:db8::7"),
        (["1.2.3"], PROXY),
    ],
)
def test_caller_is_the_last_hop_that_is_no_proxy_of_ours(forwarded: Sequence[str], caller: str) -> None:
    assert behind("10.0.0.0/8", OUTER).caller(PROXY, forwarded) == caller


@pytest.mark.parametrize("peer", ["192.0.2.1", "::1", "2001:db8::1", "", "/run/a.sock"])
def test_stranger_speaks_for_nobody(peer: str) -> None:
    addresses = behind("10.0.0.0/8")
    assert not addresses.is_proxy(peer)
    assert addresses.caller(peer, ["198.51.100.7"]) == peer


def test_nobody_is_trusted_unless_named() -> None:
    assert not Addresses(AddressLimits()).is_proxy("127.0.0.1")


def test_proxy_is_known_by_the_address_it_has_on_a_socket_of_both_kinds() -> None:
    addresses = behind("127.0.0.1", "fe80::/10")
    assert addresses.is_proxy("::ffff:127.0.0.1")
    assert addresses.is_proxy("fe80::1%eth0")
    assert addresses.caller("::ffff:127.0.0.1", ["198.51.100.7"]) == "198.51.100.7"


@given(st.lists(st.text()))
def test_any_header_gives_an_address(forwarded: list[str]) -> None:
    addresses = behind("10.0.0.0/8", "0.0.0.0/1")
    caller = addresses.caller(PROXY, forwarded)
    assert caller
    addresses.leave(addresses.enter(caller))


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::1%eth1", True),
        ("", "/run/a.sock", True),
    ],
)
def test_ipv6_counts_by_its_network(one: str, other: str, are_one: bool) -> None:
    addresses = Addresses(AddressLimits())
    assert (addresses.enter(one) is addresses.enter(other)) is are_one


@pytest.mark.parametrize(("prefix", "are_one"), [(128, False), (64, False), (56, True), (16, True)])
def test_length_of_the_network_is_a_setting(prefix: int, are_one: bool) -> None:
    addresses = Addresses(AddressLimits(ipv6_prefix=prefix))
    assert (addresses.enter("2001:db8:0:1::1") is addresses.enter("2001:db8:0:2::1")) is are_one


def test_connections_are_counted_in_and_out() -> None:
    addresses = Addresses(AddressLimits())
    origin = addresses.enter("192.0.2.1")
    assert addresses.enter("192.0.2.1").connections == 2
    addresses.leave(origin)
    addresses.leave(origin)
    assert origin.connections == 0


def test_who_comes_back_has_what_was_left() -> None:
    addresses = Addresses(AddressLimits(arrivals=per_second(1, burst=1)))
    origin = addresses.enter("192.0.2.1")
    assert origin.arrivals.take(0) == 0
    addresses.leave(origin)
    assert addresses.enter("192.0.2.1").arrivals.take(0) > 0


def test_no_more_of_the_absent_are_remembered_than_allowed_and_all_who_are_here() -> None:
    addresses = Addresses(AddressLimits(max_tracked=3))
    here = [addresses.enter(f"192.0.2.{number}") for number in range(10)]
    for number in range(50):
        addresses.leave(addresses.enter(f"198.51.100.{number}"))
    assert len(addresses) == 13
    assert all(addresses.enter(origin.name) is origin for origin in here)


def test_the_one_longest_away_is_forgotten_first() -> None:
    addresses = Addresses(AddressLimits(max_tracked=2))
    old, new = addresses.enter("192.0.2.1"), addresses.enter("192.0.2.2")
    addresses.leave(new)
    addresses.leave(old)
    addresses.leave(addresses.enter("192.0.2.3"))
    assert addresses.enter("192.0.2.1") is old
    assert addresses.enter("192.0.2.2") is not new


def test_connections_of_one_address_gain_nothing_by_being_many() -> None:
    origin = Addresses(AddressLimits(events=per_second(1, burst=20))).enter("192.0.2.1")
    connections = [Rate(per_second(1, burst=10), origin.events) for _ in range(50)]
    assert sum(rate.take(0.0) == 0 for rate in connections for _ in range(10)) == 20
    assert connections[-1].take(0.0) > 0

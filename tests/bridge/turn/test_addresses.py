"""Addresses for clients: patterns filled in, and who is fit to stand in one."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.settings.ice_url import parse_ice_url
from bridge.turn.addresses import RelayAddresses, fill, first_name, is_public, literal_address, relay_addresses

PATTERNS = ("turn:%s", "turn:%s:80?transport=tcp", "turns:%s:443?transport=tcp")
ADDRESSES = st.lists(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)), max_size=8)
HOSTS = st.lists(
    st.sampled_from(("turn:%s", "turn:%s:3478?transport=udp", "turns:%s:443", "turns:%s:5349?transport=tcp")),
    max_size=6,
    unique=True,
)


def test_each_address_comes_with_every_pattern_before_the_next_address() -> None:
    assert fill(PATTERNS, [ip_address("127.0.0.1"), ip_address("::1")]) == [
        "turn:127.0.0.1",
        "turn:127.0.0.1:80?transport=tcp",
        "turns:127.0.0.1:443?transport=tcp",
        "turn:[::1]",
        "turn:[::1]:80?transport=tcp",
        "turns:[::1]:443?transport=tcp",
    ]


@given(HOSTS, ADDRESSES)
def test_whatever_is_filled_in_is_the_url_of_that_address_and_pattern(
    patterns: list[str], addresses: list[IPv4Address | IPv6Address]
) -> None:
    filled = fill(patterns, addresses)
    assert len(filled) == len(patterns) * len(addresses)
    for position, text in enumerate(filled):
        address, pattern = addresses[position // len(patterns)], patterns[position % len(patterns)]
        url = parse_ice_url(text)
        assert ip_address(url.host) == address
        expected = parse_ice_url(pattern.replace("%s", "192.0.2.1"))
        assert (url.scheme, url.port, url.transport) == (expected.scheme, expected.port, expected.transport)


def test_a_server_is_known_by_the_first_name_in_its_urls() -> None:
    assert first_name(["turn:192.0.2.1", "turn:[::1]:80", "turns:b.example:443", "turn:a.example"]) == "b.example"
    assert first_name(["turn:192.0.2.1"]) is None


def test_what_an_operator_says_counts_more_than_what_a_provider_names() -> None:
    named = ["turn:provider.example:3478"]
    own = RelayAddresses(("turn:own.example",), PATTERNS, "certificate.example")
    assert own.with_urls_of(named) == own
    assert RelayAddresses((), PATTERNS).with_urls_of(named) == RelayAddresses(
        tuple(named), PATTERNS, "provider.example"
    )
    assert relay_addresses(["turn:own.example"], PATTERNS, None).with_urls_of(named).hostname == "own.example"
    assert relay_addresses(["turn:192.0.2.1"], PATTERNS, None).with_urls_of(named).hostname is None


@pytest.mark.parametrize(("host", "address"), [("9.9.9.9", "9.9.9.9"), ("2620:fe::fe", "2620:fe::fe")])
def test_an_address_is_told_from_a_name(host: str, address: str) -> None:
    assert literal_address(host) == ip_address(address)


@pytest.mark.parametrize("host", ["turn.example.org", "9.9.9", "1.2.3.4.example", "fe", ""])
def test_a_name_is_no_address(host: str) -> None:
    assert literal_address(host) is None


PUBLIC = [
    "9.9.9.9",
    "1.1.1.1",
    "192.0.1.1",
    "192.1.0.1",
    "172.32.0.1",
    "2620:fe::fe",
    "2001:4860:4860::8888",
    "2a00::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_fit_for_everybody(address: str) -> None:
    assert is_public(ip_address(address))


SPECIAL_V4 = """
    0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.255.0.1 169.254.169.254 172.16.0.1
    172.31.255.255 192.0.0.1 192.0.0.8 192.0.0.171 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255
    198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
"""
SPECIAL_V6 = """
    :: ::1 ::9.9.9.9 ::ffff:10.0.0.1 ::ffff:9.9.9.9 64:ff9b::9.9.9.9 64:ff9b::10.0.0.1 64:ff9b:1::1 100::1 2001::1
    2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:a00:1::1 2002:909:909::1
    3fff::1 5f00::1 fc00::1 fd12:3456::1 fe80::1 fec0::1 ff02::1
"""


@pytest.mark.parametrize("address", [*SPECIAL_V4.split(), *SPECIAL_V6.split()])
def test_an_address_that_means_another_machine_to_others_is_not(address: str) -> None:
    assert not is_public(ip_address(address))


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_inside_another_does_not_make_it_public(inside: IPv4Address) -> None:
    for prefix in ("::ffff:0:0", "64:ff9b::", "::"):
        assert not is_public(IPv6Address(int(IPv6Address(prefix)) | int(inside)))
    assert not is_public(IPv6Address(0x2002 << 112 | int(inside) << 80 | 1))

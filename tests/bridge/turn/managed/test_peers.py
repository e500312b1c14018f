"""Which addresses are nobody's on the internet."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from bridge.turn.managed.peers import all_loopback, coturn_range, is_private

PRIVATE = [
    *("0.0.0.1", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.31.255.255", "192.0.0.192"),
    *("192.168.1.1", "168.63.129.16", "198.19.0.1", "224.0.0.1", "255.255.255.255"),
    *("::", "::1", "::ffff:8.8.8.8", "::8.8.8.8", "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "fd00::1"),
    *("fe80::1", "fec0::1", "ff02::1", "2001::1", "2001:db8::1", "2002:808:808::1", "3fff::1", "5f00::1"),
]
PUBLIC = ["8.8.8.8", "100.63.255.255", "100.128.0.0", "168.63.129.17", "172.32.0.0", "223.255.255.255"]
PUBLIC_6 = ["2000::1", "2001:200::1", "2606:4700::1", "2a00:1450::1", "3ffe::1"]


@pytest.mark.parametrize("address", PRIVATE)
def test_address_that_means_a_private_place_is_denied(address: str) -> None:
    assert is_private(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC + PUBLIC_6)
def test_address_of_somebody_on_the_internet_is_not(address: str) -> None:
    assert not is_private(ip_address(address))


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ("10.0.0.0/8", "10.0.0.0-10.255.255.255"),
        ("192.0.2.7", "192.0.2.7-192.0.2.7"),
        ("fd00::/8", "fd00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("::/3", "::1-1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("0.0.0.0/8", "0.0.0.1-0.255.255.255"),
    ],
)
def test_range_goes_from_the_first_address_to_the_last_and_never_begins_unspecified(
    network: str, expected: str
) -> None:
    assert coturn_range(ip_network(network)) == expected


def test_loopback_is_all_or_nothing() -> None:
    assert all_loopback([ip_address("127.0.0.1"), ip_address("::1")])
    assert not all_loopback([ip_address("127.0.0.1"), ip_address("10.0.0.1")])

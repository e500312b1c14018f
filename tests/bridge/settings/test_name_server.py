"""Addresses of name servers."""

from __future__ import annotations

import pytest

from bridge.settings.name_server import parse_name_server


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("127.0.0.1", "127.0.0.1", 53),
        ("127.0.0.1:5353", "127.0.0.1", 5353),
        ("::1", "::1", 53),
        ("[::1]", "::1", 53),
        ("[::1]:5353", "::1", 5353),
        ("2620:fe::fe", "2620:fe::fe", 53),
        ("[2620:fe::fe]:65535", "2620:fe::fe", 65535),
    ],
)
def test_a_port_may_follow(text: str, address: str, port: int) -> None:
    assert parse_name_server(text) == (address, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "dns.example.org",
        "dns.example.org:53",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.256",
        "[127.0.0.1]:53",
        "[::1]53",
        "[::1",
        "fe80::1%eth0",
        "127.0.0.1:53 ",
        "udp://127.0.0.1",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an address|the port"):
        parse_name_server(text)

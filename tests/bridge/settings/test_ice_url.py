"""Addresses of STUN and TURN servers, taken apart and put together."""

from __future__ import annotations

import pytest

from bridge.settings.ice_url import IceUrl, is_address, is_host, parse_ice_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("turn:turn.example.org", IceUrl("turn", "turn.example.org", None, None)),
        ("turn:turn.example.org:3478?transport=udp", IceUrl("turn", "turn.example.org", 3478, "udp")),
        ("turns:turn.example.org:443?transport=tcp", IceUrl("turns", "turn.example.org", 443, "tcp")),
        ("turn:192.0.2.1:3478", IceUrl("turn", "192.0.2.1", 3478, None)),
        ("turn:[2001:db8::1]:3478?transport=tcp", IceUrl("turn", "2001:db8::1", 3478, "tcp")),
        ("stun:[::1]", IceUrl("stun", "::1", None, None)),
        ("stuns:localhost:5349", IceUrl("stuns", "localhost", 5349, None)),
    ],
)
def test_address_is_taken_apart_and_put_together(text: str, url: IceUrl) -> None:
    assert parse_ice_url(text) == url
    assert str(url) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "turn:",
        "turn.example.org",
        "TURN:turn.example.org",
        "turn://turn.example.org",
        "http:turn.example.org",
        "turn:user@turn.example.org",
        "turn:turn.example.org:0",
        "turn:turn.example.org:65536",
        "turn:turn.example.org:port",
        "turn:turn.example.org:",
        "turn:turn.example.org?transport=sctp",
        "turn:turn.example.org?transport=udp&x=1",
        "turn:turn.example.org/path",
        "turn:turn example.org",
        "turn:turn.example.org\n",
        "turn:-turn.example.org",
        "turn:turn..example.org",
        "turn:2001:db8::1",
        "turn:[192.0.2.1]",
        "turn:[2001:db8::1",
        "turn:[:::1]",
        "turn:[fe80::1%eth0]",
        "turn:300.0.2.1",
        "turn:türn.example.org",
        "turn:" + "a" * 64,
        "turn:" + "a." * 127 + "org",
        "stun:turn.example.org?transport=udp",
    ],
)
def test_malformed_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_ice_url(text)


def test_only_turn_relays() -> None:
    assert [parse_ice_url(f"{scheme}:a").is_turn for scheme in ("turn", "turns", "stun", "stuns")] == [
        True,
        True,
        False,
        False,
    ]


def test_address_stands_where_the_name_stood() -> None:
    url = parse_ice_url("turns:turn.example.org:443?transport=tcp")
    assert not url.has_address
    assert url.at("192.0.2.1").has_address
    assert str(url.at("2001:db8::1")) == "turns:[2001:db8::1]:443?transport=tcp"


@pytest.mark.parametrize("host", ["192.0.2.1", "::", "::1", "2001:db8::192.0.2.1"])
def test_address_is_a_host(host: str) -> None:
    assert is_address(host)
    assert is_host(host)


@pytest.mark.parametrize(
    "host", ["localhost", "turn.example.org", "turn.example.org.", "a_b", "1password.example", "x"]
)
def test_name_is_a_host_and_no_address(host: str) -> None:
    assert is_host(host)
    assert not is_address(host)


@pytest.mark.parametrize("host", ["", ".", "a..b", "-a", "a-", "1.2.3", "192.0.2.256", "a b", "[::1]", "fe80::1%eth0"])
def test_everything_else_is_neither(host: str) -> None:
    assert not is_host(host)
    assert not is_address(host)

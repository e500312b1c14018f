"""Forms of text: what passes, and that what does not comes with advice."""

from __future__ import annotations

import pytest

from bridge.settings import forms
from bridge.settings.keys import Form

NPUB = "npub1" + "q" * 58
HEX = "ab" * 32

GOOD: list[tuple[Form, list[object]]] = [
    (forms.host, ["127.0.0.1", "::", "localhost", "relay.example.org"]),
    (
        forms.relay_url,
        ["ws://127.0.0.1:7447", "wss://relay.example.org", "wss://relay.example.org/a?b=c", "ws://[::1]:7447/"],
    ),
    (forms.optional_relay_url, ["", "wss://relay.example.org"]),
    (forms.turn_url, ["turn:a", "turns:a:443?transport=tcp"]),
    (forms.turn_pattern, ["turn:%s", "turn:%s:80?transport=tcp", "turns:%s:443?transport=tcp"]),
    (forms.optional_name, ["", "AC0123", "a.b_c~d-e", "x" * 200]),
    (forms.optional_api_url, ["", "https://app.example.org"]),
    (forms.api_url, ["https://a.example.org", "https://a.example.org:8443/v1", "http://127.0.0.1:80", "http://[::1]"]),
    (forms.stun_url, ["stun:a", "stuns:a:5349"]),
    (forms.name_server, ["127.0.0.1", "127.0.0.1:5353", "::1", "[::1]", "[::1]:53"]),
    (forms.optional_label, ["", "beta", "two words", "é" * 64]),
    (forms.optional_host, ["", "turn.example.org"]),
    (forms.account_key, [NPUB, HEX]),
    (forms.domain, ["example.org", "a-b.example.org", "localhost:8443", "192.0.2.1"]),
    (forms.file, ["turn.secret", "/run/credentials/turn secret", "../shared/secret", "x" * 1024]),
    (forms.network, ["127.0.0.1", "10.0.0.0/8", "::1", "fd00::/8", "128.0.0.0/1"]),
    (forms.kind_window, ["10050 31536000 60", "0 0 0", "65535 1 9999999999"]),
    (forms.kept_kind, [0, 3, 10000, 10050, 19999, 30000, 39999]),
    (forms.passed_kind, [20000, 21059, 24133, 29999]),
]
BAD: list[tuple[Form, list[object]]] = [
    (
        forms.kind_window,
        [
            "",
            "10050",
            "10050 60",
            "1059 60 60",
            "21059 60 60",
            "01059 1 1",
            "65536 1 1",
            "1 -1 1",
            "1  1 1",
            "1 1 1 1",
            "¹ 1 1",
        ],
    ),
    (forms.network, ["", "localhost", "10.0.0.1/8", "127.0.0.1:80", "[::1]", "0.0.0.0/0", "::/0", "unix"]),
    (forms.host, ["", "127.0.0.1:7447", "[::1]", "ws://localhost", "a b"]),
    (
        forms.relay_url,
        [
            "",
            "relay.example.org",
            "http://relay.example.org",
            "wss://",
            "wss:///path",
            "ws://a:b@relay.example.org",
            "wss://relay.example.org#top",
            "ws://relay.example.org:0",
            "ws://relay.example.org:70000",
            "ws://relay.example.org:x",
            "ws://[::1",
            "ws://relay example.org",
            "ws://relay.example.org/\n",
            "ws://" + "a" * 2048,
        ],
    ),
    (forms.optional_relay_url, [" ", "x"]),
    (forms.turn_url, ["", "stun:a", "turn:", "turn:a:0"]),
    (
        forms.turn_pattern,
        [
            "",
            "turn:a",
            "turn:%s.example.org",
            "turn:a:%s",
            "turn:%s%s",
            "turn:%d",
            "turn:%s:%s",
            "stun:%s",
            "turn:[%s]",
        ],
    ),
    (forms.optional_name, ["a/b", "..", ".", "a b", "a?b", "é", "x" * 201, "a\n"]),
    (forms.optional_api_url, ["http://app.example.org", "x"]),
    (
        forms.api_url,
        ["", "http://a.org", "https://", "https://u:p@a.org", "https://a.org/?k", "https://a.org#b", "wss://a.org"],
    ),
    (forms.stun_url, ["", "turn:a", "stun:a?transport=udp"]),
    (forms.name_server, ["", "localhost", "dns.example.org:53", "127.0.0.1:0", "127.0.0.1:65536", "::1:x"]),
    (forms.optional_label, [" beta", "beta ", "a\0b", "a\nb", "e" * 65]),
    (forms.optional_host, ["turn.example.org:443", "turn:turn.example.org"]),
    (forms.account_key, ["", NPUB[:-1], NPUB.upper(), HEX.upper(), HEX + "\n", "nprofile1qq", "alice@example.org"]),
    (
        forms.domain,
        ["", "Example.org", "https://example.org", "a@example.org", "example.org/", "e.org:0", "e.org:65536"],
    ),
    (forms.domain, ["example.org:", "e..org", "-e.org", "ex ample.org", "_@example.org", "::1", "example.org\n"]),
    (forms.file, ["", "secrets/", "a\nb", "x" * 1025]),
    (forms.kept_kind, [-1, 1, 1059, 9999, 20000, 40000]),
    (forms.passed_kind, [-1, 0, 1059, 19999, 22242, 30000]),
]


def cases(table: list[tuple[Form, list[object]]]) -> list[tuple[Form, object]]:
    return [(form, value) for form, values in table for value in values]


@pytest.mark.parametrize(("form", "value"), cases(GOOD))
def test_well_formed_value_passes(form: Form, value: object) -> None:
    assert form(value) is None


@pytest.mark.parametrize(("form", "value"), cases(BAD))
def test_malformed_value_gets_advice(form: Form, value: object) -> None:
    advice = form(value)
    assert advice is not None
    assert "use " in advice


@pytest.mark.parametrize("secret", ["nsec1" + "q" * 58, "ncryptsec1qqqq"])
def test_secret_key_in_place_of_a_public_one_is_called_by_its_name(secret: str) -> None:
    advice = forms.account_key(secret)
    assert advice is not None
    assert "SECRET" in advice
    assert secret not in advice

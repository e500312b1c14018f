"""Good material that mutants are made of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from nips.nip19 import Profile, encode_nprofile, encode_npub, encode_nsec
from tests.fuzz.mutation import HOSTILE_TEXTS
from tests.fuzz.parsers import RELAY
from tests.support.wraps import AUTHOR, BRIDGE, STRANGER

Json = dict[str, Any]

ROOT: Final = Path(__file__).resolve().parent.parent.parent

ENTITY_BYTES: Final = (
    BRIDGE.public_key,
    "00" * 32,
    "ff" * 32,
    f"0020{BRIDGE.public_key}010d{b'wss://a.b/c/d'.hex()}",
    f"0020{BRIDGE.public_key}01ff",
    f"0020{BRIDGE.public_key}0100ff0000",
)

RESPONSES: Final[Sequence[Json]] = (
    {
        "result": {
            "version": "0.1.0",
            "pubkey": BRIDGE.public_key,
            "methods": ["bridge.info"],
            "relays": [RELAY],
            "admission": "open",
            "pow_bits": 0,
            "limits": {"turn": {"burst": 5, "refill_seconds": 1.5, "remaining": 2}},
        }
    },
    {
        "result": {
            "account": {"pubkey": AUTHOR.public_key, "aci": "a", "pni": "b", "admitted_day": 20_000},
            "devices": [
                {
                    "device_id": "d",
                    "device_pubkey": AUTHOR.public_key,
                    "name": "phone",
                    "platform": None,
                    "primary": True,
                    "registered_day": 1,
                    "last_seen_day": 2,
                }
            ],
            "limits": {},
        }
    },
    {
        "result": {
            "turn_username": "u",
            "turn_password": "p",
            "turn_ttl_seconds": 86_400,
            "turn_urls": ["turn:turn.example.org:3478"],
            "turn_urls_with_ips": [],
            "turn_hostname": None,
            "ice_servers": [{"urls": ["turn:turn.example.org"], "username": "u", "credential": "p"}],
            "ice_transport_policy": "all",
        }
    },
    {
        "error": {
            "code": "rate_limited",
            "status": 429,
            "message": "Too fast.",
            "retry": True,
            "retry_after": 3,
            "field": None,
            "pow_bits": None,
            "data": {},
        }
    },
)

URLS: Final = (
    RELAY,
    "ws://127.0.0.1:7447",
    "wss://[2001:db8::1]:443/relay?x=1",
    "ws://[::1]",
    "WSS://Relay.Example./",
    "turn:turn.example.org:3478?transport=udp",
    "turns:[2001:db8::1]:5349?transport=tcp",
    "stun:192.0.2.1",
    "stuns:turn.example.org",
    "localhost",
    "192.0.2.1",
    "a" * 63 + ".example",
    "xn--bcher-kva.example",
    encode_npub(BRIDGE.public_key),
    encode_nsec(STRANGER),
    "data/switchboard.db",
)

HOPS: Final = (
    "192.0.2.1",
    "127.0.0.1",
    "127.0.0.1:5678",
    "2001:db8::7",
    "[2001:db8::7]:443",
    "::ffff:192.0.2.1",
    "fe80::1%eth0",
    "unknown",
    "_hidden",
    "٣.1.1.1",
    "",
    "[",
    ":",
    "1.2.3.4:5:6",
    "0x7f.1",
    "300.1.1.1",
)

TOML_VALUES: Final = (
    '""',
    '"x"',
    '"é\\u202e"',
    "'''a\nb'''",
    "0",
    "-1",
    "1.5",
    "nan",
    "inf",
    "1e308",
    "9" * 30,
    "9" * 5000,
    "0xffffffff",
    "true",
    "1979-05-27T07:32:00Z",
    "07:32:00",
    "[]",
    "[1, 1]",
    '["a", "a"]',
    "[[[]]]",
    "[" * 2000,
    "{ a = 1 }",
    "{}",
    '"\\ud800"',
    f'"{encode_nsec(STRANGER)}"',
    f'["{encode_npub(BRIDGE.public_key)}"]',
    '["turn:turn.example.org:3478"]',
    '["wss://relay.example", "wss://relay.example/"]',
    *(json.dumps(text) for text in HOSTILE_TEXTS if "\ud800" not in text),
)


@cache
def entities() -> Sequence[str]:
    """Return good entities of NIP-19, and a bare key."""
    profile = Profile(BRIDGE.public_key, (RELAY, "ws://127.0.0.1:7447"))
    return (encode_npub(BRIDGE.public_key), encode_nsec(STRANGER), encode_nprofile(profile), BRIDGE.public_key)


@cache
def settings_lines() -> Sequence[str]:
    """Return what stands in the settings file that the project ships."""
    lines = (ROOT / "relay.toml").read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")] + ["[relay]", "[turn]", "[permits.turn]"]

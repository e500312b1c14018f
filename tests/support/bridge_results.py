"""Results as a bridge sends them, each proved against its schema."""

from __future__ import annotations

from typing import Any

from protocol.validation import validate_result
from tests.support.wraps import AUTHOR, BRIDGE, NOW, STRANGER

DAY = NOW // 86_400 * 86_400

PHONE: dict[str, Any] = {
    "device_id": "01234567-89ab-cdef-0123-456789abcdef",
    "device_pubkey": AUTHOR.public_key,
    "name": "phone",
    "platform": None,
    "primary": True,
    "registered_day": DAY,
    "last_seen_day": DAY,
}
LAPTOP = PHONE | {
    "device_id": "11234567-89ab-cdef-0123-456789abcdef",
    "device_pubkey": STRANGER.public_key,
    "name": "laptop",
    "platform": "linux",
    "primary": False,
}

RESULTS: dict[str, dict[str, Any]] = {
    "bridge.info": {
        "version": "0.1.0",
        "pubkey": BRIDGE.public_key,
        "methods": ["account.get", "bridge.info"],
        "relays": ["wss://relay.example"],
        "admission": "open",
        "pow_bits": 0,
        "limits": {"info": {"burst": 60, "refill_seconds": 1}, "relay": {"burst": 600, "refill_seconds": 0.1}},
        "zk": None,
    },
    "account.get": {
        "account": {
            "pubkey": AUTHOR.public_key,
            "aci": "00112233-4455-8677-8899-aabbccddeeff",
            "pni": "ffeeddcc-bbaa-8988-b766-554433221100",
            "admitted_day": DAY,
        },
        "devices": [PHONE],
        "limits": {"info": {"burst": 60, "remaining": 59, "refill_seconds": 1}},
    },
    "device.register": {"device": LAPTOP},
    "device.list": {"devices": [PHONE, LAPTOP]},
    "device.revoke": {"revoked": True},
    "turn.get_credentials": {
        "turn_username": "1800000000:a pseudonym",
        "turn_password": "a password",
        "turn_ttl_seconds": 43_200,
        "turn_urls": ["turn:turn.example:3478?transport=udp"],
        "turn_urls_with_ips": ["turn:[2001:db8::1]:3478?transport=udp"],
        "turn_hostname": "turn.example",
        "ice_servers": [
            {"urls": ["stun:turn.example:3478"]},
            {"urls": ["turn:turn.example:3478"], "username": "1800000000:a pseudonym", "credential": "a password"},
        ],
        "ice_transport_policy": "all",
    },
}

for _method, _result in RESULTS.items():
    validate_result(_method, _result)

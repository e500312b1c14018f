"""Results: read into values, strictly where it matters, and silent about what is secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from client.errors import InvalidResponse
from client.results import (
    Device,
    Limit,
    parse_account,
    parse_bridge_info,
    parse_devices,
    parse_registered,
    parse_turn_credentials,
)
from tests.support.bridge_results import DAY, RESULTS
from tests.support.wraps import AUTHOR, BRIDGE

PARSERS: dict[str, Callable[[dict[str, Any]], object]] = {
    "bridge.info": parse_bridge_info,
    "account.get": parse_account,
    "device.register": parse_registered,
    "device.list": parse_devices,
    "turn.get_credentials": parse_turn_credentials,
}

# Nobody here needs them, so a bridge may change or leave them out.
UNREAD = {"zk"}
NULLABLE = {"turn_hostname"}


def test_bridge_info_is_read() -> None:
    info = parse_bridge_info(RESULTS["bridge.info"])
    assert info.pubkey == BRIDGE.public_key
    assert info.methods == ("account.get", "bridge.info")
    assert info.limits == {"info": Limit(burst=60, refill_seconds=1), "relay": Limit(burst=600, refill_seconds=0.1)}


def test_account_is_read() -> None:
    account = parse_account(RESULTS["account.get"])
    assert account.pubkey == AUTHOR.public_key
    assert account.limits == {"info": Limit(burst=60, refill_seconds=1, remaining=59)}
    assert account.devices == (
        Device(
            device_id="01234567-89ab-cdef-0123-456789abcdef",
            device_pubkey=AUTHOR.public_key,
            name="phone",
            platform=None,
            primary=True,
            registered_day=DAY,
            last_seen_day=DAY,
        ),
    )


def test_devices_are_read() -> None:
    phone, laptop = parse_devices(RESULTS["device.list"])
    assert (phone,) == parse_account(RESULTS["account.get"]).devices
    assert laptop == parse_registered(RESULTS["device.register"])
    assert (laptop.name, laptop.platform, laptop.primary) == ("laptop", "linux", False)


def test_turn_credentials_are_read_and_stay_out_of_logs() -> None:
    credentials = parse_turn_credentials(RESULTS["turn.get_credentials"])
    assert credentials.username == "1800000000:a pseudonym"
    assert credentials.password == "a password"
    assert credentials.ttl_seconds == 43_200
    assert credentials.ice_servers[1]["credential"] == "a password"
    assert "password" not in repr(credentials).replace("turn.example", "")
    assert "pseudonym" not in repr(credentials)


def test_private_identifier_stays_out_of_logs() -> None:
    account = parse_account(RESULTS["account.get"])
    assert account.pni not in repr(account)


@pytest.mark.parametrize("method", PARSERS)
def test_fields_of_newer_bridges_are_ignored(method: str) -> None:
    assert PARSERS[method](RESULTS[method] | {"new": 1}) == PARSERS[method](RESULTS[method])


@pytest.mark.parametrize(
    ("method", "name"),
    [(method, name) for method in PARSERS for name in RESULTS[method] if name not in UNREAD],
)
@pytest.mark.parametrize("wrong", [None, 1.5, True, [1], {"info": 1}, -1], ids=str)
def test_field_of_a_wrong_form_is_refused(method: str, name: str, wrong: object) -> None:
    if wrong is None and name in NULLABLE:
        return
    with pytest.raises(InvalidResponse):
        PARSERS[method](RESULTS[method] | {name: wrong})


@pytest.mark.parametrize("refill", [None, 0, -1, "1", True], ids=str)
def test_refill_time_is_a_positive_number(refill: object) -> None:
    limits = {"info": {"burst": 1, "refill_seconds": refill}}
    with pytest.raises(InvalidResponse, match="refill_seconds"):
        parse_bridge_info(RESULTS["bridge.info"] | {"limits": limits})

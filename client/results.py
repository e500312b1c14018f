"""What a bridge's methods return, as values. Fields that we do not know are ignored: newer bridges send more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from client.envelope import take, take_or_none
from client.errors import InvalidResponse
from nips.errors import InvalidKey
from nips.keys import PublicKey, parse_public_key

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How often something may be asked."""

    burst: int
    """The most permits that can be saved up."""
    refill_seconds: float
    """Time after which one permit is back."""
    remaining: int | None = None
    """Permits left, where the bridge tells them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeInfo:
    """What a bridge is and offers."""

    version: str
    pubkey: PublicKey
    methods: tuple[str, ...]
    relays: tuple[str, ...]
    """Where it reads requests."""
    admission: str
    pow_bits: int
    """Work (NIP-13) that a new account's first wrap needs; 0: none."""
    limits: Mapping[str, Limit]


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A key that may act for an account."""

    device_id: str
    device_pubkey: PublicKey
    name: str
    platform: str | None
    primary: bool
    registered_day: int
    last_seen_day: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The caller's account, its devices and the permits it has left."""

    pubkey: PublicKey
    aci: str
    pni: str = field(repr=False)
    admitted_day: int
    devices: tuple[Device, ...]
    limits: Mapping[str, Limit]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnCredentials:
    """Credentials for a TURN server, one by one and ready for `RTCPeerConnection`."""

    username: str = field(repr=False)
    password: str = field(repr=False)
    ttl_seconds: int
    urls: tuple[str, ...]
    urls_with_ips: tuple[str, ...]
    """The same with addresses for host names; empty when they could not be resolved."""
    hostname: str | None
    """Name in the server's certificate, for clients that connect by address."""
    ice_servers: tuple[Mapping[str, Any], ...] = field(repr=False)
    ice_transport_policy: str


def parse_bridge_info(result: Mapping[str, Any]) -> BridgeInfo:
    """Read the result of `bridge.info`."""
    return BridgeInfo(
        version=take(result, "version", str),
        pubkey=_public_key(result, "pubkey"),
        methods=_texts(result, "methods"),
        relays=_texts(result, "relays"),
        admission=take(result, "admission", str),
        pow_bits=take(result, "pow_bits", int),
        limits=_limits(result),
    )


def parse_account(result: Mapping[str, Any]) -> Account:
    """Read the result of `account.get`."""
    account = take(result, "account", dict)
    return Account(
        pubkey=_public_key(account, "pubkey"),
        aci=take(account, "aci", str),
        pni=take(account, "pni", str),
        admitted_day=take(account, "admitted_day", int),
        devices=_each(result, "devices", _device),
        limits=_limits(result),
    )


def parse_devices(result: Mapping[str, Any]) -> tuple[Device, ...]:
    """Read the result of `device.list`."""
    return _each(result, "devices", _device)


def parse_registered(result: Mapping[str, Any]) -> Device:
    """Read the result of `device.register`."""
    return _device(take(result, "device", dict))


def parse_turn_credentials(result: Mapping[str, Any]) -> TurnCredentials:
    """Read the result of `turn.get_credentials`."""
    return TurnCredentials(
        username=take(result, "turn_username", str),
        password=take(result, "turn_password", str),
        ttl_seconds=take(result, "turn_ttl_seconds", int),
        urls=_texts(result, "turn_urls"),
        urls_with_ips=_texts(result, "turn_urls_with_ips"),
        hostname=take_or_none(result, "turn_hostname", str),
        ice_servers=_each(result, "ice_servers", _object("ice_servers")),
        ice_transport_policy=take(result, "ice_transport_policy", str),
    )


def _device(value: object) -> Device:
    found = _object("devices")(value)
    return Device(
        device_id=take(found, "device_id", str),
        device_pubkey=_public_key(found, "device_pubkey"),
        name=take(found, "name", str),
        platform=take_or_none(found, "platform", str),
        primary=take(found, "primary", bool),
        registered_day=take(found, "registered_day", int),
        last_seen_day=take(found, "last_seen_day", int),
    )


def _limits(result: Mapping[str, Any]) -> dict[str, Limit]:
    limits = take(result, "limits", dict)
    return {name: _limit(_object("limits")(value)) for name, value in limits.items()}


def _limit(value: Mapping[str, Any]) -> Limit:
    refill = value.get("refill_seconds")
    if isinstance(refill, bool) or not isinstance(refill, int | float) or refill <= 0:
        raise InvalidResponse("refill_seconds: missing, or of a wrong form")
    return Limit(
        burst=take(value, "burst", int),
        refill_seconds=float(refill),
        remaining=take_or_none(value, "remaining", int),
    )


def _public_key(value: Mapping[str, Any], name: str) -> PublicKey:
    try:
        return parse_public_key(value.get(name))
    except InvalidKey:
        raise InvalidResponse(f"{name}: missing, or of a wrong form") from None


def _texts(value: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return _each(value, name, lambda item: take({name: item}, name, str))


def _object(name: str) -> Callable[[object], dict[str, Any]]:
    return lambda item: take({name: item}, name, dict)


def _each(value: Mapping[str, Any], name: str, read: Callable[[object], Value]) -> tuple[Value, ...]:
    return tuple(read(item) for item in take(value, name, list))

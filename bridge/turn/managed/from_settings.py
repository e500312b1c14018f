"""From settings to the rules of the managed coturn."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path

from bridge.errors import StartupError
from bridge.home import Home
from bridge.settings.ice_url import parse_ice_url
from bridge.settings.managed_turn import ManagedSettings
from bridge.settings.tree import Settings
from bridge.settings.turn import ProviderKind
from bridge.turn.managed.certificate import trouble_with_certificate
from bridge.turn.managed.child import PROGRAM, find_program
from bridge.turn.managed.configuration import Certificate, Plan
from bridge.turn.managed.peers import Address
from bridge.turn.managed.reach import route_addresses
from bridge.turn.managed.rules import ManagedRules, placed
from bridge.turn.managed.secret import SecretAges

PID_FILE = "coturn.pid"
HOW_TO_INSTALL = f"{PROGRAM} is not installed (Debian: apt install coturn)"

_LOOPBACK: tuple[Address, ...] = (ip_address("127.0.0.1"),)
_STUN_PORT = 3478


def managed_rules(settings: Settings, home: Home, *, takes_any_certificate: bool = False) -> ManagedRules | None:
    """Return how a coturn of our own is run; None when none is wanted, or none can be and nobody asked for it by name.

    Raise `StartupError` for one that is named and cannot be, and for a certificate that is none, unless any is taken:
    a bridge starts without TLS for TURN rather than not at all.
    """
    problem = none_because(settings)
    if problem is None:
        rules = _rules(settings, home)
        if not takes_any_certificate:
            _check(rules.plan.certificate)
        return rules
    if ProviderKind.MANAGED in settings.turn.providers:
        raise StartupError(f'turn.providers names "{ProviderKind.MANAGED.value}": {problem}')
    return None


def none_because(settings: Settings) -> str | None:
    """Return why there is no coturn of our own, with the fix where there is something to fix; None when there is."""
    turn = settings.turn
    if turn.providers and ProviderKind.MANAGED not in turn.providers:
        return "turn.providers names others"
    if not turn.providers and not turn.managed.enabled:
        return "turn.managed.enabled is false"
    if find_program() is None:
        return HOW_TO_INSTALL
    return None


def _rules(settings: Settings, home: Home) -> ManagedRules:
    turn, managed = settings.turn, settings.turn.managed
    program = find_program()
    assert program is not None, "otherwise there would be a reason for none"
    outside = tuple(map(ip_address, managed.external_addresses))
    plan = Plan(
        addresses=(),
        external=(),
        port=managed.port,
        tls_port=managed.tls_port,
        certificate=_certificate(managed, home),
        hostname=managed.hostname or None,
        relay_ports=(managed.min_relay_port, managed.max_relay_port),
        user_quota=managed.user_quota,
        total_quota=managed.total_quota,
        max_bytes_per_second=managed.max_bytes_per_second,
        allowed=tuple(map(ip_network, managed.allowed_peers)),
        denied=tuple(map(ip_network, managed.denied_peers)),
        pid_file=Path(home.path / PID_FILE).absolute(),
    )
    valid_seconds = turn.requested_ttl_seconds
    return ManagedRules(
        program=program,
        plan=placed(plan, _addresses(settings), outside),
        ages=SecretAges(max(managed.rekey_seconds, valid_seconds), valid_seconds),
        urls=managed.urls,
        probe_seconds=managed.probe_seconds,
        discover_from=_stun_server(managed.discover_from),
        is_on_routes=not managed.addresses and _is_public(settings),
        outside=outside,
    )


def _addresses(settings: Settings) -> tuple[Address, ...]:
    configured = settings.turn.managed.addresses
    if configured:
        return tuple(map(ip_address, configured))
    return route_addresses() if _is_public(settings) else _LOOPBACK


def _is_public(settings: Settings) -> bool:
    return bool(settings.bridge.public_url or settings.upstream.relays)


def _certificate(managed: ManagedSettings, home: Home) -> Certificate | None:
    if not managed.certificate_file:
        return None
    return Certificate(
        (home.path / managed.certificate_file).absolute(), (home.path / managed.certificate_key_file).absolute()
    )


def _check(certificate: Certificate | None) -> None:
    trouble = None if certificate is None else trouble_with_certificate(certificate)
    if trouble is not None:
        raise StartupError(f"turn.managed.certificate_file and certificate_key_file: {trouble}")


def _stun_server(url: str) -> tuple[str, int] | None:
    if not url:
        return None
    parsed = parse_ice_url(url)
    return parsed.host, parsed.port or _STUN_PORT

"""What the settings ask of the managed coturn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bridge.turn.managed.configuration import Plan
from bridge.turn.managed.peers import Address
from bridge.turn.managed.secret import SecretAges


@dataclass(frozen=True, slots=True)
class ManagedRules:
    """How coturn is run, and how it is watched."""

    program: str
    """The file to execute."""
    plan: Plan
    ages: SecretAges
    urls: tuple[str, ...]
    """What clients are told; empty: what follows from the plan."""
    probe_seconds: float
    """It is asked whether it still answers so often."""
    discover_from: tuple[str, int] | None = None
    """Host and port of a STUN server that tells under which address the outside sees us; None: nobody is asked."""
    is_on_routes: bool = False
    """Its addresses are those of the default routes, which come and change while the bridge runs."""
    outside: tuple[Address, ...] = ()
    """What the outside sees, as it is configured."""


def placed(plan: Plan, addresses: tuple[Address, ...], outside: Sequence[Address]) -> Plan:
    """Return the plan at other addresses; what is seen outside is meant for the first of its family."""
    told = {address.version: address for address in outside}
    first = {address.version: address for address in reversed(addresses)}
    pairs = tuple((address, first[version]) for version, address in told.items() if version in first)
    return replace(plan, addresses=addresses, external=pairs)


def turn_urls(plan: Plan) -> tuple[str, ...]:
    """Return where clients find the server, the cheapest transport first."""
    urls = []
    for host in _hosts(plan):
        urls += [f"turn:{host}:{plan.port}?transport={transport}" for transport in ("udp", "tcp")]
        if plan.certificate is not None:
            urls.append(f"turns:{host}:{plan.tls_port}?transport=tcp")
    return tuple(urls)


def stun_urls(plan: Plan) -> tuple[str, ...]:
    """Return the same for STUN."""
    return tuple(f"stun:{host}:{plan.port}" for host in _hosts(plan))


def description(plan: Plan) -> str:
    """Return what an operator sees of it."""
    tls = f", TLS on {plan.tls_port}" if plan.certificate is not None else ""
    places = ", ".join(f"{_bracketed(address)}:{plan.port}" for address in plan.addresses)
    outside = f", told as {', '.join(_hosts(plan))}" if plan.hostname or plan.external else ""
    return f"managed coturn on {places}{tls}{outside}"


def _hosts(plan: Plan) -> list[str]:
    if plan.hostname:
        return [plan.hostname]
    # Some clients take no IPv6 literal and then none of the list; so there is one only where nothing else is.
    told: Sequence[Address] = [address for address in plan.told if address.version == 4] or plan.told
    return [_bracketed(address) for address in told]


def _bracketed(address: Address) -> str:
    return f"[{address}]" if address.version == 6 else str(address)

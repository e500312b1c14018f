"""What coturn is told, as the text of its configuration file.

It names secrets, so it never lies on a disk: `child` hands it over in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.turn.managed.peers import DENIED, Address, Network, all_loopback, coturn_range

STALE_NONCE_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Certificate:
    """What coturn proves its name with."""

    certificate: Path
    """With the chain that leads to it."""
    key: Path


@dataclass(frozen=True, slots=True)
class Plan:
    """One way for coturn to run."""

    addresses: tuple[Address, ...]
    """Of this machine: where it listens and what it relays from."""
    external: tuple[tuple[Address, Address], ...]
    """Pairs of what the outside sees and the address here that is meant."""
    port: int
    tls_port: int
    certificate: Certificate | None
    """None: no TLS."""
    hostname: str | None
    relay_ports: tuple[int, int]
    """First and last."""
    user_quota: int
    total_quota: int
    max_bytes_per_second: int
    """Of one allocation, each way; 0: as much as comes."""
    allowed: tuple[Network, ...]
    denied: tuple[Network, ...]
    pid_file: Path

    @property
    def is_local(self) -> bool:
        """Tell whether only this machine is served."""
        return all_loopback(self.addresses)

    @property
    def told(self) -> tuple[Address, ...]:
        """Addresses under which others reach it, in the order of those here."""
        outside = {local: told for told, local in self.external}
        return tuple(outside.get(address, address) for address in self.addresses)


def configuration(plan: Plan, secrets: Sequence[str]) -> str:
    """Return the text of the file; `secrets` are all that credentials may be signed with."""
    lines = [*_listening(plan), *_tls(plan), *_limits(plan), *_peers(plan), *_quiet()]
    return "".join(f"{line}\n" for line in [*lines, *(f"static-auth-secret={secret}" for secret in secrets)])


def _listening(plan: Plan) -> Iterator[str]:
    for address in plan.addresses:
        yield f"listening-ip={address}"
        yield f"relay-ip={address}"
    for told, local in plan.external:
        yield f"external-ip={told}/{local}"
    yield f"listening-port={plan.port}"
    first, last = plan.relay_ports
    yield f"min-port={first}"
    yield f"max-port={last}"
    yield f"realm={plan.hostname or 'switchboard'}"
    if all(address.version == 6 for address in plan.addresses):
        # Who does not ask for a family is given IPv4 (RFC 8656 §7.2), of which there is none.
        yield "allocation-default-address-family=ipv6"


def _tls(plan: Plan) -> Iterator[str]:
    yield "no-dtls"
    if plan.certificate is None:
        yield "no-tls"
        return
    yield f"tls-listening-port={plan.tls_port}"
    yield f"cert={plan.certificate.certificate}"
    yield f"pkey={plan.certificate.key}"
    yield "no-tlsv1"
    yield "no-tlsv1_1"


def _limits(plan: Plan) -> Iterator[str]:
    yield f"user-quota={plan.user_quota}"
    yield f"total-quota={plan.total_quota}"
    yield f"max-bps={plan.max_bytes_per_second}"
    yield f"stale-nonce={STALE_NONCE_SECONDS}"
    yield "fingerprint"
    yield "no-tcp-relay"
    yield "no-multicast-peers"
    # Answers to STUN that are not longer than need be: whoever forges a sender gains less by them.
    yield "no-rfc5780"
    yield "no-stun-backward-compatibility"
    yield "response-origin-only-with-rfc5780"
    yield "no-software-attribute"
    yield "no-cli"


def _peers(plan: Plan) -> Iterator[str]:
    for network in (*DENIED, *plan.denied):
        yield f"denied-peer-ip={coturn_range(network)}"
    if plan.is_local:
        yield "allow-loopback-peers"
    # Where a range is both, allowed wins. Two callers on this server reach each other at its own addresses.
    for address in dict.fromkeys((*plan.addresses, *plan.told)):
        # coturn would read an unspecified one as the beginning of all addresses.
        if not address.is_unspecified:
            yield f"allowed-peer-ip={address}"
    for network in plan.allowed:
        yield f"allowed-peer-ip={coturn_range(network)}"


def _quiet() -> Iterator[str]:
    # No file of its own: its database of users, which this one has none of, is in memory, its log goes to us.
    yield "userdb=:memory:"
    yield "no-auth-pings"
    yield "no-dynamic-ip-list"
    yield "no-dynamic-realms"
    yield "log-file=stdout"
    yield "simple-log"

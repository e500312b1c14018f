"""Names of STUN and TURN servers: what the DNS says of them, in both families."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bridge.doctor.addresses import resolved
from bridge.doctor.examination import Findings
from bridge.doctor.findings import Finding, ok, problem, warning
from bridge.doctor.subject import Subject
from bridge.settings.ice_url import is_address, parse_ice_url
from bridge.settings.tree import Settings
from bridge.turn.addresses import Address, RelayAddresses, is_public
from bridge.turn.resolver import Answers, Found, NotFound, look_up
from bridge.turn.rules import name_rules, relay_rules

FAMILY = "names"


async def check_name(subject: Subject, host: str) -> Findings:
    """Ask the name servers that the bridge asks, for both families."""
    rules = name_rules(subject.settings)
    answers = await look_up(host, resolvers=rules.resolvers, timeout_seconds=subject.patience_seconds)
    # What stands in /etc/hosts alone is of no use to clients, and explains why it works from here.
    near = [] if addresses_in(answers) else await resolved(host)
    for finding in judge(host, answers, near=near, allow_private=rules.allow_private):
        yield finding


def addresses_in(answers: Answers) -> list[Address]:
    """Return all addresses that were found."""
    return [address for answer in answers.values() if isinstance(answer, Found) for address in answer.addresses]


def judge(host: str, answers: Answers, *, near: Sequence[str] = (), allow_private: bool = False) -> Sequence[Finding]:
    """Say what is right and wrong with a name's addresses; `near` are those that this machine alone knows."""
    addresses = addresses_in(answers)
    if not addresses:
        return [_nothing(host, answers, near)]
    silent = {answer.reason for answer in answers.values() if isinstance(answer, NotFound)}
    shown = ", ".join(map(str, addresses))
    special = [str(address) for address in addresses if not is_public(address)]
    if special and not allow_private:
        found = f"means {', '.join(special)}, which clients elsewhere cannot reach, and are not told in urls_with_ips"
        fix = "give the name the server's public addresses; if all clients are near, set turn.names.allow_private"
        return [warning(FAMILY, host, found, fix)]
    if silent:
        found = f"{shown}; of the other family the name server says nothing ({', '.join(sorted(silent))})"
        return [warning(FAMILY, host, found, "look at the name servers of the domain, and at turn.names.resolvers")]
    families = {address.version for address in addresses}
    if families == {6}:
        found = f"{shown}; no IPv4, and many clients have nothing else"
        return [warning(FAMILY, host, found, "give the name an A record, if the server has an IPv4 address")]
    if families == {4}:
        return [ok(FAMILY, host, f"{shown}; no IPv6, which is well where the server has none")]
    return [ok(FAMILY, host, shown)]


def _nothing(host: str, answers: Answers, near: Sequence[str]) -> Finding:
    reasons = {answer.reason for answer in answers.values() if isinstance(answer, NotFound)}
    if near:
        found = f"means {', '.join(near)} to this machine, and nothing to the DNS: clients do not find it"
    elif reasons:
        found = f"the name server says nothing ({', '.join(sorted(reasons))}): clients are told the name alone"
    else:
        found = "does not resolve: clients are given a name that leads nowhere"
    fix = "correct the name in [turn], its A and AAAA records, or turn.names.resolvers"
    return problem(FAMILY, host, found, fix)


def hosts(settings: Settings) -> list[str]:
    """Return the names, not addresses, that clients are told under [turn]."""
    return list(dict.fromkeys(host for host in _all(settings) if host and not is_address(host)))


def _all(settings: Settings) -> Iterator[str | None]:
    rules = relay_rules(settings)
    for url in rules.stun_urls:
        yield parse_ice_url(url).host
    for kind in settings.turn.providers:
        yield from _of(rules.addresses[kind.value])
    if rules.experiment is not None:
        yield from _of(rules.experiment.addresses)


def _of(addresses: RelayAddresses) -> Iterator[str | None]:
    for url in addresses.urls:
        yield parse_ice_url(url).host
    yield addresses.hostname

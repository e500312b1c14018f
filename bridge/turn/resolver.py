"""One question to the DNS: both families of a name's addresses, asked together. Knows no cache.

Asked anew each time, so that a changed `/etc/resolv.conf` counts at once. `/etc/hosts` is not read: whoever is given
these addresses is on another machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver

from bridge.settings.turn_names import AddressFamily as Family
from bridge.turn.addresses import Address, literal_address

MAX_ADDRESSES = 64
"""Addresses of one family that are looked at; an answer over TCP could hold thousands."""

UDP_PAYLOAD_BYTES = 1232
"""Largest answer asked for over UDP; it passes every path without fragments, what is longer comes over TCP."""

_TRIES = 2
"""How often each server is asked within the whole time: one datagram may get lost."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the DNS says: the addresses of a name, none if it has none."""

    addresses: tuple[Address, ...]
    valid_seconds: int


@dataclass(frozen=True, slots=True)
class NotFound:
    """The DNS did not say anything."""

    reason: str


Answers = Mapping[Family, Found | NotFound]

_RECORDS = {Family.IPV4: dns.rdatatype.A, Family.IPV6: dns.rdatatype.AAAA}


async def look_up(name: str, *, resolvers: Sequence[tuple[str, int]], timeout_seconds: float) -> Answers:
    """Ask for both families and return what became of each; `resolvers` are (address, port), none: the system's."""
    try:
        resolver = _resolver(resolvers, timeout_seconds)
        question = dns.name.from_text(name)
    except (dns.exception.DNSException, OSError, ValueError) as error:
        # The library refuses a whole file for one bad line; the next look-up reads it anew.
        return dict.fromkeys(Family, NotFound(f"cannot be asked for: {error}"))
    async with asyncio.TaskGroup() as tasks:
        asked = {family: tasks.create_task(_ask(resolver, question, family, timeout_seconds)) for family in Family}
    return {family: task.result() for family, task in asked.items()}


def _resolver(resolvers: Sequence[tuple[str, int]], timeout_seconds: float) -> dns.asyncresolver.Resolver:
    resolver = dns.asyncresolver.Resolver(configure=not resolvers)
    if resolvers:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(address, port) for address, port in resolvers]
    resolver.lifetime = timeout_seconds
    resolver.timeout = timeout_seconds / _TRIES / max(1, len(resolver.nameservers))
    resolver.use_edns(0, 0, UDP_PAYLOAD_BYTES)
    return resolver


async def _ask(
    resolver: dns.asyncresolver.Resolver, name: dns.name.Name, family: Family, timeout_seconds: float
) -> Found | NotFound:
    try:
        # The library measures by the wall clock, which may be set while we wait.
        async with asyncio.timeout(timeout_seconds):
            answer = await resolver.resolve(name, _RECORDS[family], raise_on_no_answer=False)
    except (dns.exception.Timeout, TimeoutError):
        return NotFound("no answer in time")
    except dns.resolver.NXDOMAIN as nothing:
        denial: dns.message.QueryMessage = nothing.kwargs["responses"][name]
        return Found((), denial.resolve_chaining().minimum_ttl)
    except dns.resolver.NoNameservers as refused:
        return NotFound(_reason(refused))
    except (dns.exception.DNSException, OSError, ValueError) as error:
        return NotFound(type(error).__name__)
    told = (literal_address(record.address) for record in answer)
    addresses = tuple(islice((address for address in told if address is not None), MAX_ADDRESSES))
    return Found(addresses, answer.chaining_result.minimum_ttl)


def _reason(refused: dns.resolver.NoNameservers) -> str:
    """Return what the last server had to say: the name of a code such as SERVFAIL, or of an error."""
    errors = refused.kwargs.get("errors") or [(None, None, None, "no resolver", None)]
    last = errors[-1][3]
    return last if isinstance(last, str) else type(last).__name__

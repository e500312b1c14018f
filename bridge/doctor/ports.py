"""Ports that the bridge wants: free, or held by the bridge itself."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass

from bridge.doctor.examination import Findings
from bridge.doctor.findings import Finding, ok, problem, skipped
from bridge.doctor.page import PageFailed, fetch
from bridge.doctor.subject import EVERY_ADDRESS, Subject
from nips.errors import InvalidDocument
from nips.nip11 import parse_relay_information

FAMILY = "ports"
_MAX_DOCUMENT_BYTES = 262_144


@dataclass(frozen=True, slots=True)
class Place:
    """An address to listen on."""

    setting: str
    """What says so in relay.toml."""
    host: str
    port: int
    is_udp: bool = False

    @property
    def shown(self) -> str:
        """The place, for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}{'/udp' if self.is_udp else ''}"


async def check_relay_port(subject: Subject) -> Findings:
    """See whether our endpoint's port is free, or ours."""
    relay = subject.settings.relay
    port = subject.port or relay.port
    if not port:
        yield skipped(FAMILY, "relay.port", "any that is free; the running bridge's log names it (`ready`)")
        return
    place = Place("relay.port", relay.host, port)
    trouble = obstacle(place)
    if trouble is None:
        yield ok(FAMILY, place.shown, "is free: no bridge listens there now")
    elif trouble == errno.EADDRINUSE:
        yield await _holder(subject, place)
    else:
        yield unusable(place, trouble)


async def check_metrics_port(subject: Subject) -> Findings:
    """See whether the port for metrics and health is free, or answers as ours does."""
    metrics = subject.settings.metrics
    if not metrics.enabled or not metrics.port:
        why = "any that is free" if metrics.enabled else "metrics are not served (metrics.enabled)"
        yield skipped(FAMILY, "metrics.port", why)
        return
    place = Place("metrics.port", metrics.host, metrics.port)
    trouble = obstacle(place)
    if trouble is None:
        yield ok(FAMILY, place.shown, "is free: no bridge serves metrics there now")
    elif trouble == errno.EADDRINUSE and await _serves_health(subject, place):
        yield ok(FAMILY, place.shown, "metrics and health are served there")
    else:
        yield unusable(place, trouble)


async def _serves_health(subject: Subject, place: Place) -> bool:
    host = EVERY_ADDRESS.get(place.host, place.host)
    url = f"ws://[{host}]:{place.port}/healthz" if ":" in host else f"ws://{host}:{place.port}/healthz"
    try:
        page = await fetch(url, accept="*/*", clock=subject.clock, seconds=subject.patience_seconds)
    except PageFailed:
        return False
    return page.status == 200


def obstacle(place: Place) -> int | None:
    """Return the error number with which the system refuses this place, or None; nothing listens meanwhile."""
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    kind = socket.SOCK_DGRAM if place.is_udp else socket.SOCK_STREAM
    with socket.socket(family, kind) as probe:
        if not place.is_udp:
            # As servers do: what an ended one left in TIME_WAIT does not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((place.host, place.port))
        except OSError as error:
            return error.errno or errno.EIO
    return None


def unusable(place: Place, trouble: int) -> Finding:
    """Return the finding for a place that cannot be had."""
    match trouble:
        case errno.EACCES:
            found, fix = "only root may listen there", f"write a port from 1024 on as {place.setting}, behind a proxy"
        case errno.EADDRNOTAVAIL:
            found, fix = "this machine has no such address", "write 127.0.0.1, 0.0.0.0, or an address of this machine"
        case errno.EADDRINUSE:
            found = "another program listens there"
            fix = f"stop it (`ss -lp 'sport = :{place.port}'` names it), or write another {place.setting}"
        case _:
            found, fix = f"cannot be listened on ({errno.errorcode.get(trouble, trouble)})", f"correct {place.setting}"
    return problem(FAMILY, place.shown, found, fix)


async def _holder(subject: Subject, place: Place) -> Finding:
    assert subject.local_url is not None
    try:
        page = await subject.pages.get(subject.local_url)
        document = parse_relay_information(page.body, max_bytes=_MAX_DOCUMENT_BYTES)
    except (PageFailed, InvalidDocument):
        return unusable(place, errno.EADDRINUSE)
    if subject.public_key is not None and document.self == subject.public_key:
        return ok(FAMILY, place.shown, "this bridge listens there")
    return unusable(place, errno.EADDRINUSE)

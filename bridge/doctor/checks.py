"""Which checks there are for a bridge as it is set up."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bridge.doctor.clock import FAMILY as CLOCK
from bridge.doctor.clock import check_clock
from bridge.doctor.database import FAMILY as DATABASE
from bridge.doctor.database import check_database
from bridge.doctor.endpoint import FAMILY as ENDPOINT
from bridge.doctor.endpoint import check_endpoint
from bridge.doctor.examination import Check, Findings
from bridge.doctor.files import FAMILY as FILES
from bridge.doctor.files import check_files, check_identity
from bridge.doctor.names import FAMILY as NAMES
from bridge.doctor.names import check_name, hosts
from bridge.doctor.ports import FAMILY as PORTS
from bridge.doctor.ports import check_metrics_port, check_relay_port
from bridge.doctor.public import FAMILY as PUBLIC
from bridge.doctor.public import check_public
from bridge.doctor.relays import FAMILY as RELAY
from bridge.doctor.relays import check_relay
from bridge.doctor.running import FAMILY as RUNNING
from bridge.doctor.running import check_running
from bridge.doctor.subject import Subject
from bridge.doctor.turn import FAMILY as TURN
from bridge.doctor.turn import check_stun, check_turn

STEPS = 5
"""How many answers one check may have to wait for; each has the patience of the subject."""


def all_checks(subject: Subject) -> list[Check]:
    """Return every check that makes sense with these settings, those on this machine first."""
    turn = subject.settings.turn
    return [
        _check(FILES, "home", check_files, subject),
        _check(FILES, "bridge key", check_identity, subject),
        _check(DATABASE, subject.settings.storage.file, check_database, subject),
        _check(PORTS, "relay.port", check_relay_port, subject),
        _check(PORTS, "metrics.port", check_metrics_port, subject),
        _check(RUNNING, "this bridge", check_running, subject),
        _check(CLOCK, "this machine", check_clock, subject),
        _check(ENDPOINT, "own relay", check_endpoint, subject),
        _check(PUBLIC, subject.settings.bridge.public_url or "bridge.public_url", check_public, subject),
        *(Check(RELAY, url, partial(check_relay, subject, url)) for url in subject.relays),
        *(Check(NAMES, host, partial(check_name, subject, host)) for host in hosts(subject.settings)),
        _check(TURN, "turn.providers", check_turn, subject),
        *(Check(TURN, url, partial(check_stun, subject, url)) for url in turn.stun_urls),
    ]


def _check(family: str, about: str, check: Callable[[Subject], Findings], subject: Subject) -> Check:
    return Check(family, about, partial(check, subject))

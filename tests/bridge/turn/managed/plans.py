"""Plans for a coturn that serves this machine alone."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from bridge.turn.managed.child import find_program
from bridge.turn.managed.configuration import Plan
from bridge.turn.managed.reach import free_port
from bridge.turn.managed.rules import ManagedRules
from bridge.turn.managed.secret import SecretAges

LOOPBACK = ip_address("127.0.0.1")


def a_plan(folder: Path, **changes: Any) -> Plan:
    """Return a plan on a free port of the loopback interface."""
    plan = Plan(
        addresses=(LOOPBACK,),
        external=(),
        port=free_port(LOOPBACK),
        tls_port=5349,
        certificate=None,
        hostname=None,
        relay_ports=(49152, 65535),
        user_quota=2,
        total_quota=100,
        max_bytes_per_second=0,
        allowed=(),
        denied=(),
        pid_file=folder / "coturn.pid",
    )
    return replace(plan, **changes)


def rules_for(plan: Plan, **changes: Any) -> ManagedRules:
    """Return rules for a plan."""
    rules = ManagedRules(
        program=find_program() or "turnserver is not installed",
        plan=plan,
        ages=SecretAges(change_seconds=1000, valid_seconds=600),
        urls=(),
        probe_seconds=0.1,
    )
    return replace(rules, **changes)

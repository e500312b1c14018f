"""The bridge's own coturn, looked at from outside of the bridge."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

from bridge.doctor.findings import Finding, Severity
from bridge.doctor.managed import managed_provider
from bridge.doctor.subject import Subject
from bridge.doctor.turn import check_turn
from bridge.settings.tree import Settings
from bridge.settings.turn import ProviderKind
from tests.bridge.doctor.examining import a_subject, bad, found_by
from tests.bridge.doctor.places import a_free_port
from tests.support.bridges import a_bridge
from tests.support.deadline import within

TURN = Settings().turn


async def with_coturn(folder: Path, *, port: int) -> Subject:
    managed = replace(TURN.managed, port=port, addresses=("127.0.0.1",))
    return await a_subject(folder, turn=replace(TURN, providers=(ProviderKind.MANAGED,), managed=managed))


async def test_credentials_of_a_running_bridge_are_good_at_its_coturn(tmp_path: Path) -> None:
    subject = await with_coturn(tmp_path, port=a_free_port())
    async with within(40), a_bridge(subject.home, subject.settings):
        findings = await found_by(check_turn(subject))
    assert bad(findings) == []
    assert [finding.about.partition(":")[0] for finding in findings] == ["managed"] * 3
    assert "an allocation in " in findings[1].found


async def test_without_its_bridge_only_the_ports_are_looked_at(tmp_path: Path) -> None:
    subject = await with_coturn(tmp_path, port=a_free_port())
    free = await managed_provider(subject)
    assert isinstance(free, Finding)
    assert (free.severity, free.found.partition(";")[0]) == (Severity.OK, "its ports are free")
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = await managed_provider(await with_coturn(tmp_path / "b", port=other.getsockname()[1]))
    assert isinstance(taken, Finding)
    assert taken.severity is Severity.PROBLEM
    assert taken.fix


async def test_why_there_is_none_is_told(tmp_path: Path) -> None:
    turn = replace(TURN, managed=replace(TURN.managed, enabled=False))
    found = await managed_provider(await a_subject(tmp_path, turn=turn))
    assert isinstance(found, Finding)
    assert found.severity is Severity.WARNING
    assert "turn.managed.enabled is false" in found.found

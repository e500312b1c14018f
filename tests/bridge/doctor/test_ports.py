"""Ports: free, ours, or somebody else's."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.doctor.findings import Severity
from bridge.doctor.ports import Place, check_metrics_port, check_relay_port, obstacle, unusable
from bridge.doctor.running import key_of, told_by
from bridge.settings.tree import Settings
from tests.bridge.doctor.examining import a_subject, found_by
from tests.bridge.doctor.places import a_free_port
from tests.support.bridges import a_bridge
from tests.support.odd_relay import OddRelay

RELAY = Settings().relay


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def test_free_port_is_free(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path, relay=replace(RELAY, port=a_free_port()))
    (finding,) = await found_by(check_relay_port(subject))
    assert (finding.severity, finding.found) == (Severity.OK, "is free: no bridge listens there now")


async def test_port_of_another_program_is_a_problem_that_names_how_to_find_it(tmp_path: Path, taken: int) -> None:
    subject = await a_subject(tmp_path, relay=replace(RELAY, port=taken))
    (finding,) = await found_by(check_relay_port(subject))
    assert finding.severity is Severity.PROBLEM
    assert f"sport = :{taken}" in finding.fix
    assert "relay.port" in finding.fix


async def test_port_of_another_relay_is_a_problem_too(tmp_path: Path) -> None:
    async with OddRelay(document={"name": "other", "self": "0" * 64}) as relay:
        subject = await a_subject(tmp_path, relay=replace(RELAY, port=relay.port))
        (finding,) = await found_by(check_relay_port(subject))
    assert finding.severity is Severity.PROBLEM


async def test_port_that_this_bridge_holds_is_well(tmp_path: Path) -> None:
    port = a_free_port()
    subject = await a_subject(tmp_path, relay=replace(RELAY, port=port))
    async with a_bridge(subject.home, subject.settings):
        (finding,) = await found_by(check_relay_port(subject))
    assert (finding.severity, finding.found) == (Severity.OK, "this bridge listens there")


async def test_port_is_ours_by_the_word_of_the_running_bridge_where_its_key_cannot_be_read(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path, relay=replace(RELAY, port=a_free_port()))
    async with a_bridge(subject.home, subject.settings):
        (tmp_path / "storage.key").unlink()
        told = await asyncio.to_thread(told_by, tmp_path, seconds=subject.patience_seconds)
        blind = replace(subject, secret=None, running_key=key_of(told))
        (finding,) = await found_by(check_relay_port(blind))
    assert (finding.severity, finding.found) == (Severity.OK, "this bridge listens there")


async def test_any_port_is_not_looked_at(tmp_path: Path) -> None:
    (finding,) = await found_by(check_relay_port(await a_subject(tmp_path)))
    assert finding.severity is Severity.SKIPPED


async def test_address_that_is_not_of_this_machine_is_told(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path, relay=replace(RELAY, host="192.0.2.1", port=7447))
    (finding,) = await found_by(check_relay_port(subject))
    assert (finding.severity, finding.found) == (Severity.PROBLEM, "this machine has no such address")


def test_looking_leaves_the_port_free_and_tells_udp_apart(taken: int) -> None:
    place = Place("x", "127.0.0.1", taken)
    assert obstacle(place) == errno.EADDRINUSE
    assert obstacle(replace(place, is_udp=True)) is None
    free = Place("x", "127.0.0.1", a_free_port())
    assert obstacle(free) is None
    assert obstacle(free) is None
    with socket.socket(type=socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        assert obstacle(Place("x", "127.0.0.1", holder.getsockname()[1], is_udp=True)) == errno.EADDRINUSE


@pytest.mark.parametrize("trouble", [errno.EACCES, errno.EADDRNOTAVAIL, errno.EADDRINUSE, errno.EIO, 4242])
def test_every_obstacle_has_its_fix(trouble: int) -> None:
    finding = unusable(Place("relay.port", "::", 80), trouble)
    assert finding.severity is Severity.PROBLEM
    assert finding.about == "[::]:80"
    assert finding.fix


async def test_metrics_port_is_free_or_answers_as_ours(tmp_path: Path, taken: int) -> None:
    metrics = Settings().metrics
    port = a_free_port()
    subject = await a_subject(tmp_path / "a", metrics=replace(metrics, enabled=True, port=port))
    (free,) = await found_by(check_metrics_port(subject))
    async with a_bridge(subject.home, subject.settings):
        (ours,) = await found_by(check_metrics_port(subject))
    other = await a_subject(tmp_path / "b", metrics=replace(metrics, enabled=True, port=taken))
    (theirs,) = await found_by(check_metrics_port(other))
    off = await a_subject(tmp_path / "c", metrics=replace(metrics, enabled=False))
    (unwanted,) = await found_by(check_metrics_port(off))
    assert [finding.severity for finding in (free, ours, theirs, unwanted)] == [
        Severity.OK,
        Severity.OK,
        Severity.PROBLEM,
        Severity.SKIPPED,
    ]
    assert ours.found == "metrics and health are served there"

"""A coturn that is kept running; the faults of a whole bridge's are in tests/namespace."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path

import pytest

from bridge.conditions import Conditions
from bridge.errors import ProviderFailed
from bridge.turn.coturn import coturn_password
from bridge.turn.managed.child import find_program
from bridge.turn.managed.configuration import Certificate
from bridge.turn.managed.peers import Address
from bridge.turn.managed.reach import NO_ROUTE, free_port
from bridge.turn.managed.rules import ManagedRules
from bridge.turn.managed.secret import TurnSecretKeeper, TurnSecrets
from bridge.turn.managed.server import ADDRESS, CERTIFICATE, CONDITION, PATIENCE_SECONDS, ManagedCoturn
from client.clock import Clock, SystemClock
from client.entropy import SystemEntropy
from storage.encryption import KeyRing
from storage.errors import StorageFailed
from storage.sqlite import SqliteStorage, open_storage
from tests.bridge.turn.managed.plans import LOOPBACK, a_plan, rules_for
from tests.bridge.turn.managed.test_discovery import stun_server
from tests.support.authority import Authority
from tests.support.clock import FixedClock
from tests.support.deadline import within
from tests.support.turn_client import turn_client

pytestmark = pytest.mark.skipif(find_program() is None, reason="no turnserver here: apt-get install coturn")

USER = "0123456789abcdef" * 2
NOW = SystemClock().now()


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[SqliteStorage]:
    storage = await open_storage(tmp_path / "switchboard.db", KeyRing([(1, bytes(32))]))
    yield storage
    await storage.close()


@pytest.fixture
def conditions() -> Conditions:
    return Conditions()


def a_server(
    rules: ManagedRules | None, storage: SqliteStorage, conditions: Conditions, clock: Clock | None = None
) -> ManagedCoturn:
    clock, entropy = clock or SystemClock(), SystemEntropy()
    keeper = TurnSecretKeeper(storage.secrets, clock=SystemClock(), entropy=entropy)
    return ManagedCoturn(rules, keeper=keeper, conditions=conditions, clock=clock, entropy=entropy)


@asynccontextmanager
async def running(server: ManagedCoturn) -> AsyncIterator[ManagedCoturn]:
    """Run it while the block does, from when its first attempt is over."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(server.run())
        try:
            async with within():
                await server.settled()
            yield server
        finally:
            task.cancel()


async def until(is_so: Callable[[], object]) -> None:
    """Wait for something that nobody tells of."""
    async with within():
        while not is_so():  # noqa: ASYNC110 - nobody could set an event
            await asyncio.sleep(0.01)


async def allocates(server: ManagedCoturn) -> bool:
    """Tell whether its credentials are worth an allocation at each of its URLs."""
    credentials = await server.credentials(user=USER, now=SystemClock().now())
    for url in credentials.urls:
        async with within(), turn_client(url, credentials.username, credentials.password) as client:
            if (await client.allocate())[0] != str(LOOPBACK):
                return False
            await client.release()
    return True


def child_of(folder: Path) -> int:
    """Return the process of the coturn in a folder."""
    return int((folder / "coturn.pid").read_text())


async def test_it_answers_once_it_has_settled_and_is_gone_after_the_end(
    tmp_path: Path, storage: SqliteStorage, conditions: Conditions
) -> None:
    async with running(a_server(rules_for(a_plan(tmp_path)), storage, conditions)) as server:
        assert await allocates(server)
        assert conditions.problems == {}
        child = child_of(tmp_path)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert not (tmp_path / "coturn.pid").exists()


async def test_credentials_say_how_long_they_count_and_where(
    tmp_path: Path, storage: SqliteStorage, conditions: Conditions
) -> None:
    plan = a_plan(tmp_path)
    async with running(a_server(rules_for(plan), storage, conditions)) as server:
        credentials = await server.credentials(user=USER, now=NOW)
        assert credentials.username == f"{NOW + 600}:{USER}"
        assert credentials.valid_seconds == 600
        assert credentials.urls == tuple(f"turn:127.0.0.1:{plan.port}?transport={way}" for way in ("udp", "tcp"))
        assert credentials.stun_urls == (f"stun:127.0.0.1:{plan.port}",)
        server.adopt(rules_for(plan, urls=("turn:turn.example.org",)))
        assert (await server.credentials(user=USER, now=NOW)).urls == ("turn:turn.example.org",)


async def test_without_rules_nothing_runs_until_there_are_some(
    tmp_path: Path, storage: SqliteStorage, conditions: Conditions
) -> None:
    async with running(a_server(None, storage, conditions)) as server:
        assert not server.is_wanted
        with pytest.raises(ProviderFailed):
            await server.credentials(user=USER, now=NOW)
        server.adopt(rules_for(a_plan(tmp_path)))
        await until(lambda: server.plan)
        assert await allocates(server)
        child = child_of(tmp_path)
        server.adopt(None)
        await until(lambda: not (tmp_path / "coturn.pid").exists())
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
        assert server.plan is None
        with pytest.raises(ProviderFailed):
            await server.credentials(user=USER, now=NOW)


async def test_other_rules_for_the_watch_leave_coturn_alone_and_another_plan_starts_it_anew(
    tmp_path: Path, storage: SqliteStorage, conditions: Conditions
) -> None:
    plan = a_plan(tmp_path)
    async with running(a_server(rules_for(plan), storage, conditions)) as server:
        child = child_of(tmp_path)
        server.adopt(rules_for(plan, probe_seconds=0.2))
        assert await allocates(server)
        assert child_of(tmp_path) == child
        other = a_plan(tmp_path, total_quota=7)
        server.adopt(rules_for(other))
        await until(lambda: server.plan == other)
        assert await allocates(server)
        assert child_of(tmp_path) != child


async def test_port_that_the_settings_leave_open_stays_the_same_after_a_restart(
    tmp_path: Path, storage: SqliteStorage, conditions: Conditions
) -> None:
    async with running(a_server(rules_for(a_plan(tmp_path, port=0)), storage, conditions)) as server:
        before, child = await server.credentials(user=USER, now=NOW), child_of(tmp_path)
        os.kill(child, signal.SIGKILL)
        await until(lambda: (tmp_path / "coturn.pid").exists() and child_of(tmp_path) != child)
        await until(lambda: conditions.problems == {})
        assert await allocates(server)
        assert (await server.credentials(user=USER, now=NOW)).urls == before.urls


async def test_coturn_that_ends_is_reported_with_its_last_words(
    tmp_path: Path, storage: SqliteStorage, conditions: Conditions, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(a_server(rules_for(a_plan(tmp_path)), storage, conditions)):
        os.kill(child_of(tmp_path), signal.SIGKILL)
        await until(lambda: conditions.problems)
        assert "turnserver ended (status -9" in conditions.problems[CONDITION]
        await until(lambda: conditions.problems == {})
    (away,) = [record for record in caplog.records if record.message == "coturn is away"]
    assert away.facts["retry_in_seconds"] <= 0.5  # type: ignore[attr-defined]


async def test_one_that_stays_away_fails_when_patience_is_over_and_not_before(
    tmp_path: Path, storage: SqliteStorage, conditions: Conditions
) -> None:
    clock, plan = FixedClock(), a_plan(tmp_path)
    async with running(a_server(rules_for(plan), storage, conditions, clock)) as server:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            # Both share the port, so that it is taken as soon as coturn is gone.
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            other.bind((str(LOOPBACK), plan.port))
            os.kill(child_of(tmp_path), signal.SIGKILL)
            await until(lambda: "is taken" in conditions.problems.get(CONDITION, ""))
            clock.advance(PATIENCE_SECONDS)
            assert (await server.credentials(user=USER, now=NOW)).urls
            clock.advance(1)
            with pytest.raises(ProviderFailed, match="does not answer"):
                await server.credentials(user=USER, now=NOW)
        await until(lambda: conditions.problems == {})
        assert await allocates(server)


async def test_place_that_is_taken_from_the_start_gives_no_credentials(
    tmp_path: Path, storage: SqliteStorage, conditions: Conditions
) -> None:
    plan = a_plan(tmp_path)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((str(LOOPBACK), plan.port))
        async with running(a_server(rules_for(plan), storage, conditions)) as server:
            assert "is taken" in conditions.problems[CONDITION]
            with pytest.raises(ProviderFailed):
                await server.credentials(user=USER, now=NOW)


async def test_program_that_cannot_be_run_is_reported(
    tmp_path: Path, storage: SqliteStorage, conditions: Conditions
) -> None:
    rules = rules_for(a_plan(tmp_path), program=str(tmp_path / "nothing"))
    async with running(a_server(rules, storage, conditions)):
        assert "turnserver ended at its start" in conditions.problems[CONDITION]
        assert "FileNotFoundError" in conditions.problems[CONDITION]


async def test_one_that_ends_again_and_again_is_started_ever_later(
    tmp_path: Path, storage: SqliteStorage, conditions: Conditions, caplog: pytest.LogCaptureFixture
) -> None:
    def away() -> list[logging.LogRecord]:
        return [record for record in caplog.records if record.message == "coturn is away"]

    rules = rules_for(a_plan(tmp_path), program=str(tmp_path / "nothing"))
    async with running(a_server(rules, storage, conditions)):
        await until(lambda: len(away()) == 3)
    told = [record.facts["retry_in_seconds"] for record in away()]  # type: ignore[attr-defined]
    assert 0.2 <= told[0] <= 0.5 <= told[1] <= 1 <= told[2] <= 2
    for earlier, later in pairwise(away()):
        assert later.created - earlier.created >= earlier.facts["retry_in_seconds"] - 0.1  # type: ignore[attr-defined]


async def test_other_rules_need_not_wait_for_the_next_attempt(
    tmp_path: Path, storage: SqliteStorage, conditions: Conditions
) -> None:
    broken = rules_for(a_plan(tmp_path), program=str(tmp_path / "nothing"))
    async with running(a_server(broken, storage, conditions)) as server:
        server.adopt(rules_for(a_plan(tmp_path)))
        await until(lambda: server.plan)
        assert await allocates(server)


async def test_failures_under_other_rules_do_not_delay_the_next_attempts(
    tmp_path: Path, storage: SqliteStorage, conditions: Conditions, caplog: pytest.LogCaptureFixture
) -> None:
    def delays() -> list[float]:
        return [one.facts["retry_in_seconds"] for one in caplog.records if one.message == "coturn is away"]  # type: ignore[attr-defined]

    async with running(a_server(rules_for(a_plan(tmp_path), program="/nothing"), storage, conditions)) as server:
        await until(lambda: len(delays()) == 3)
        server.adopt(rules_for(a_plan(tmp_path), program=str(tmp_path / "nothing either")))
        await until(lambda: len(delays()) == 4)
    assert delays()[2] >= 1
    assert delays()[3] <= 0.5


class FailingKeeper(TurnSecretKeeper):
    """Stands in for a storage that fails, once."""

    def __init__(self, storage: SqliteStorage) -> None:
        super().__init__(storage.secrets, clock=SystemClock(), entropy=SystemEntropy())
        self.has_failed = False

    async def current(self, ages: object) -> TurnSecrets:
        """Fail at first."""
        if not self.has_failed:
            self.has_failed = True
            raise StorageFailed("the disk is away")
        return await super().current(ages)  # type: ignore[arg-type]


async def test_storage_that_fails_is_asked_again(
    tmp_path: Path, storage: SqliteStorage, conditions: Conditions
) -> None:
    server = ManagedCoturn(
        rules_for(a_plan(tmp_path)),
        keeper=FailingKeeper(storage),
        conditions=conditions,
        clock=SystemClock(),
        entropy=SystemEntropy(),
    )
    async with running(server):
        assert conditions.problems == {CONDITION: "coturn cannot be started: the disk is away"}
        await until(lambda: conditions.problems == {})
        assert await allocates(server)


async def test_it_shows_no_secret(tmp_path: Path, storage: SqliteStorage, conditions: Conditions) -> None:
    async with running(a_server(rules_for(a_plan(tmp_path)), storage, conditions)) as server:
        credentials = await server.credentials(user=USER, now=NOW)
        secrets = server._secrets
        assert secrets is not None
        assert credentials.password == coturn_password(secrets.signing.encode(), credentials.username)
        for shown in (repr(server), repr(credentials), repr(secrets)):
            assert secrets.signing not in shown
            assert credentials.password not in shown


async def test_pair_that_cannot_be_used_takes_tls_away_until_it_is_mended(
    tmp_path: Path, storage: SqliteStorage, conditions: Conditions
) -> None:
    files = Certificate(tmp_path / "turn.crt", tmp_path / "turn.key")
    Authority().issue("turn.test", files.certificate, files.key)
    whole = files.certificate.read_bytes()
    files.certificate.write_text("no PEM")
    plan = a_plan(tmp_path, certificate=files, tls_port=free_port(LOOPBACK))
    configured = ("turn:turn.test", "turns:turn.test")
    async with running(a_server(rules_for(plan, urls=configured), storage, conditions, _Earlier())) as server:
        assert (await server.credentials(user=USER, now=NOW)).urls == configured[:1]
        server.adopt(rules_for(plan))
        assert await allocates(server)
        assert [*conditions.problems] == [CERTIFICATE]
        files.certificate.write_bytes(whole)
        await until(lambda: server.plan is not None and server.plan.certificate)
        credentials = await server.credentials(user=USER, now=NOW)
        assert f"turns:127.0.0.1:{plan.tls_port}?transport=tcp" in credentials.urls
        assert conditions.problems == {}


async def test_refused_renewal_is_a_condition_while_coturn_keeps_the_old_pair(
    tmp_path: Path, storage: SqliteStorage, conditions: Conditions
) -> None:
    files = Certificate(tmp_path / "turn.crt", tmp_path / "turn.key")
    Authority().issue("turn.test", files.certificate, files.key)
    plan = a_plan(tmp_path, certificate=files, tls_port=free_port(LOOPBACK))
    async with running(a_server(rules_for(plan), storage, conditions, _Earlier())) as server:
        assert conditions.problems == {}
        files.certificate.write_text("no PEM")
        await until(lambda: CERTIFICATE in conditions.problems)
        assert server.plan == plan
        os.kill(child_of(tmp_path), signal.SIGKILL)
        await until(lambda: server.plan is not None and server.plan.certificate is None)
        assert not any(url.startswith("turns:") for url in (await server.credentials(user=USER, now=NOW)).urls)


async def test_route_that_comes_late_or_changes_is_found(
    tmp_path: Path, storage: SqliteStorage, conditions: Conditions, monkeypatch: pytest.MonkeyPatch
) -> None:
    routes: list[tuple[Address, ...]] = [()]
    monkeypatch.setattr("bridge.turn.managed.server.route_addresses", lambda: routes[0])
    monkeypatch.setattr("bridge.turn.managed.server.DISCOVER_SECONDS", 0.0)
    rules = rules_for(a_plan(tmp_path, addresses=(), user_quota=10), is_on_routes=True)
    async with running(a_server(rules, storage, conditions)) as server:
        assert conditions.problems == {CONDITION: NO_ROUTE}
        routes[0] = (LOOPBACK,)
        await until(lambda: server.plan is not None)
        assert await allocates(server)
        assert conditions.problems == {}
        # A reload that looks at the routes on its own account ends no calls.
        child = child_of(tmp_path)
        server.adopt(replace(rules, plan=replace(rules.plan, addresses=(LOOPBACK,))))
        assert child_of(tmp_path) == child
        assert await allocates(server)
        assert child_of(tmp_path) == child
        other = ip_address("127.0.0.2")
        routes[0] = (other,)
        await until(lambda: server.plan is not None and server.plan.addresses == (other,))
        assert child_of(tmp_path) != child


async def test_stun_server_that_tells_nothing_to_believe_is_a_condition_while_coturn_serves(
    tmp_path: Path, storage: SqliteStorage, conditions: Conditions
) -> None:
    async with stun_server("0.0.0.0") as place:
        rules = rules_for(a_plan(tmp_path), discover_from=place)
        async with running(a_server(rules, storage, conditions)) as server:
            assert conditions.problems.keys() == {ADDRESS}
            assert "tells no public address" in conditions.problems[ADDRESS]
            assert await allocates(server)
            server.adopt(rules_for(rules.plan))
            await until(lambda: not conditions.problems)


class _Earlier(SystemClock):
    """A clock by which a new certificate does not end soon."""

    def now(self) -> int:
        return super().now() - 5 * 86400

"""Keys of domains, from a real HTTPS server that answers as told; the clock is moved by hand."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bridge.conditions import Conditions
from bridge.domains import FIRST_RETRY_SECONDS, DomainKeys, DomainRules
from bridge.http import HttpClient
from bridge.settings.accounts import Admission
from storage.sqlite import SqliteStorage
from tests.support.certificates import make_certificate, server_context
from tests.support.clock import FixedClock
from tests.support.deadline import SCALE, within
from tests.support.pipeline import Client, a_pipeline, a_storage
from tests.support.raw_http import RawServer, raw_server, reply

ALICE, BOB = Client("alice").key, Client("bob").key
STALE_SECONDS, TTL_SECONDS = 100_000, 3600


def names(*keys: str) -> bytes:
    """Return a domain's answer that lists these keys."""
    return reply(json.dumps({"names": {f"name {number}": key for number, key in enumerate(keys)}}))


@dataclass
class Web:
    """A domain: what it answers next, and what it was asked."""

    answer: bytes | None
    server: RawServer = field(init=False)

    @property
    def domain(self) -> str:
        return self.server.url.removeprefix("https://")

    async def serve(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        if self.answer is not None:
            writer.write(self.answer)
            await writer.drain()


@dataclass
class House:
    """The keys of a domain, with what they stand on."""

    keys: DomainKeys
    web: Web
    clock: FixedClock
    conditions: Conditions
    rules: DomainRules

    async def look(self) -> None:
        """Ask whoever is due, as the background does."""
        async with within(20):
            await self.keys.refresh()

    @property
    def asked(self) -> int:
        return len(self.web.server.requests)


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[SqliteStorage]:
    async with a_storage(tmp_path) as storage:
        yield storage


@asynccontextmanager
async def a_house(storage: SqliteStorage, tmp_path: Path, *, answer: bytes | None) -> AsyncIterator[House]:
    certificate, key = make_certificate(tmp_path)
    web, clock, conditions = Web(answer), FixedClock(), Conditions()
    async with AsyncExitStack() as stack:
        web.server = await stack.enter_async_context(raw_server(web.serve, tls=server_context(certificate, key)))
        trusted = ssl.create_default_context(cafile=str(certificate))
        http = await stack.enter_async_context(HttpClient(trusted=trusted))
        rules = DomainRules((web.domain,), TTL_SECONDS, STALE_SECONDS, 2 * SCALE, 4096)
        keys = DomainKeys(rules, http=http, secrets=storage.secrets, conditions=conditions, clock=clock)
        await keys.recall()
        yield House(keys, web, clock, conditions, rules)


async def test_all_keys_of_the_document_are_listed(storage: SqliteStorage, tmp_path: Path) -> None:
    async with a_house(storage, tmp_path, answer=names(ALICE)) as house:
        assert ALICE not in house.keys
        await house.look()
        assert ALICE in house.keys
        assert BOB not in house.keys
        (request,) = house.web.server.requests
        assert request.startswith(b"GET /.well-known/nostr.json HTTP/1.1\r\n")


async def test_domain_is_asked_again_when_its_time_is_over_and_not_before(
    storage: SqliteStorage, tmp_path: Path
) -> None:
    async with a_house(storage, tmp_path, answer=names(ALICE)) as house:
        await house.look()
        house.web.answer = names(BOB)
        house.clock.advance(TTL_SECONDS - 1)
        await house.look()
        assert (house.asked, ALICE in house.keys) == (1, True)
        house.clock.advance(1)
        await house.look()
        assert (house.asked, ALICE in house.keys, BOB in house.keys) == (2, False, True)


async def test_nobody_who_calls_has_a_domain_asked(storage: SqliteStorage, tmp_path: Path) -> None:
    async with a_house(storage, tmp_path, answer=names(ALICE)) as house:
        await house.look()
        assert not any(Client(f"stranger {number}").key in house.keys for number in range(100))
        assert house.asked == 1


BAD = {
    "status": reply("{}", status="404 Not Found"),
    "redirect": reply("", status="302 Found", headers="Location: https://127.0.0.1/elsewhere\r\n"),
    "no JSON": reply("<html>"),
    "no names": reply("{}"),
    "too large": reply(json.dumps({"names": {"x" * 5000: ALICE}})),
    "nothing": None,
    "cut off": names(ALICE)[:-10],
}


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD)
async def test_domain_that_fails_locks_nobody_out_who_was_listed(
    storage: SqliteStorage, tmp_path: Path, answer: bytes | None
) -> None:
    async with a_house(storage, tmp_path, answer=names(ALICE)) as house:
        await house.look()
        house.web.answer = answer
        house.clock.advance(TTL_SECONDS)
        await house.look()
        assert house.asked > 1
        assert ALICE in house.keys
        assert list(house.conditions.problems) == [f"domain {house.web.domain}"]
        house.clock.advance(STALE_SECONDS - TTL_SECONDS - 1)
        assert ALICE in house.keys
        house.clock.advance(1)
        assert ALICE not in house.keys


async def test_domain_that_fails_is_asked_ever_less_often_until_it_answers(
    storage: SqliteStorage, tmp_path: Path
) -> None:
    async with a_house(storage, tmp_path, answer=BAD["no JSON"]) as house:
        waits = []
        for _ in range(9):
            await house.look()
            waits.append(house.keys._wait_seconds())
            house.clock.advance(waits[-1] or 0)
        assert waits[:3] == [FIRST_RETRY_SECONDS, 2 * FIRST_RETRY_SECONDS, 4 * FIRST_RETRY_SECONDS]
        assert waits[-2:] == [TTL_SECONDS] * 2
        house.web.answer = names(ALICE)
        await house.look()
        assert ALICE in house.keys
        assert house.conditions.problems == {}
        assert house.keys._wait_seconds() == TTL_SECONDS


async def test_what_a_domain_told_outlasts_a_restart_in_which_it_is_down(
    storage: SqliteStorage, tmp_path: Path
) -> None:
    async with a_house(storage, tmp_path, answer=names(ALICE)) as house:
        await house.look()
        rules, http = house.rules, house.keys._http
        again = DomainKeys(rules, http=http, secrets=storage.secrets, conditions=Conditions(), clock=house.clock)
        await again.recall()
        assert ALICE in again
        house.clock.advance(STALE_SECONDS)
        assert ALICE not in again


async def test_other_domains_count_as_soon_as_they_are_adopted(storage: SqliteStorage, tmp_path: Path) -> None:
    async with a_house(storage, tmp_path, answer=names(ALICE)) as house:
        await house.look()
        house.keys.adopt(replace(house.rules, domains=()))
        assert ALICE not in house.keys
        house.keys.adopt(house.rules)
        assert ALICE not in house.keys
        await house.look()
        assert ALICE in house.keys


async def test_without_domains_nothing_is_asked_until_some_are_adopted(storage: SqliteStorage, tmp_path: Path) -> None:
    async with a_house(storage, tmp_path, answer=names(ALICE)) as house, within(20), asyncio.TaskGroup() as tasks:
        house.keys.adopt(replace(house.rules, domains=()))
        running = tasks.create_task(house.keys.run())
        for _ in range(10):
            await asyncio.sleep(0)
        assert house.asked == 0
        house.keys.adopt(house.rules)
        await house.web.server.wait_asked(1)
        running.cancel()


async def test_key_that_a_domain_lists_gets_an_account(tmp_path: Path) -> None:
    changes = {"accounts.admission": Admission.ALLOWLIST, "accounts.allow_domains": ("example.org",)}
    record = {"example.org": {"keys": [ALICE], "told_at": FixedClock().now()}}
    async with a_storage(tmp_path) as storage:
        await storage.secrets.replace("domain_keys", json.dumps(record).encode())
    async with a_pipeline(tmp_path, changes=changes) as bridge:
        assert (await bridge.ask(Client("alice"), "account.get")).code is None
        assert (await bridge.ask(Client("bob"), "account.get")).code == "BRIDGE_UNAUTHORIZED"

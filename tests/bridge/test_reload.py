"""Taking up changed settings: all or nothing, one after another, while requests go on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.app import Bridge
from bridge.errors import StartupError
from bridge.home import Home
from bridge.reload import LivePart, Reloaded, Reloader, ReloadRefused
from bridge.settings.accounts import Admission, LimiterSettings
from bridge.settings.problems import Problem, SettingsError
from bridge.settings.rendering import render
from bridge.settings.tree import Settings
from client.errors import BridgeRefusal
from nips.keys import SecretKey
from nips.nip19 import encode_npub
from tests.support.bridges import a_bridge, a_client, a_home, bridge_settings
from tests.support.deadline import within
from tests.support.pipeline import settings_with
from tests.support.wraps import AUTHOR, drawn

TWICE = settings_with({"permits.turn.burst": 200})


class Part:
    """A part that goes by the burst of `turn`, and remembers all that it went by."""

    def __init__(self, *problems: str) -> None:
        self._problems = problems
        self.adopted: list[int] = []

    def live(self) -> LivePart[int]:
        return LivePart(self._build, self.adopted.append)

    def _build(self, settings: Settings) -> int:
        if self._problems:
            raise StartupError("\n".join(self._problems))
        return settings.permits.turn.burst


def a_reloader(read: Callable[[], Settings], *parts: Part) -> Reloader:
    return Reloader(read, Settings(), [part.live() for part in parts])


async def test_every_part_goes_by_what_was_read() -> None:
    parts = Part(), Part()
    reloader = a_reloader(lambda: TWICE, *parts)
    assert await reloader.reload() == Reloaded(["permits.turn.burst"], [])
    assert [part.adopted for part in parts] == [[200], [200]]
    assert reloader.settings is TWICE


async def test_what_one_part_refuses_no_part_adopts_and_all_problems_are_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    parts = Part(), Part("one", "two"), Part(), Part("three")
    reloader = a_reloader(lambda: TWICE, *parts)
    with pytest.raises(ReloadRefused) as caught:
        await reloader.reload()
    assert caught.value.problems == ("one", "two", "three")
    assert [part.adopted for part in parts] == [[], [], [], []]
    assert reloader.settings == Settings()
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert vars(record)["facts"]["problems"] == ("one", "two", "three")


async def test_file_that_is_broken_is_refused_before_any_part_is_asked() -> None:
    def read() -> Settings:
        raise SettingsError("relay.toml", [Problem("relay.port", "-1", "use one"), Problem("", "", "is bad")])

    part = Part()
    with pytest.raises(ReloadRefused) as caught:
        await a_reloader(read, part).reload()
    assert caught.value.problems == ("relay.toml: relay.port = -1: use one", "relay.toml: is bad")
    assert part.adopted == []


async def test_no_more_problems_are_told_than_anybody_reads() -> None:
    with pytest.raises(ReloadRefused) as caught:
        await a_reloader(lambda: TWICE, *(Part(str(number)) for number in range(30))).reload()
    assert caught.value.problems == tuple(map(str, range(20)))


async def test_what_waits_for_a_restart_is_told_each_time_and_what_counts_once() -> None:
    reloader = a_reloader(lambda: settings_with({"permits.turn.burst": 7, "relay.port": 1}), Part())
    assert await reloader.reload() == Reloaded(["permits.turn.burst"], ["relay.port"])
    assert await reloader.reload() == Reloaded([], ["relay.port"])


async def test_reload_after_a_refused_one_tells_all_that_changed() -> None:
    part = Part("no")
    reloader = a_reloader(lambda: TWICE, part)
    with pytest.raises(ReloadRefused):
        await reloader.reload()
    part._problems = ()
    assert await reloader.reload() == Reloaded(["permits.turn.burst"], [])


async def test_reloads_at_once_come_one_after_another() -> None:
    """Each reads the file only when the one before has adopted what it read."""
    part = Part()
    reloader = a_reloader(lambda: settings_with({"permits.turn.burst": len(part.adopted) + 1}), part)
    async with within(), asyncio.TaskGroup() as tasks:
        for _ in range(20):
            tasks.create_task(reloader.reload())
    assert part.adopted == list(range(1, 21))


# --- a whole bridge


def change(home: Home, settings: Settings) -> None:
    home.settings_file.write_text(render(settings), encoding="utf-8")


@asynccontextmanager
async def a_whole_bridge(path: Path, settings: Settings) -> AsyncIterator[tuple[Home, Bridge]]:
    home = await a_home(path, settings)
    async with within(60), a_bridge(home, settings) as bridge:
        yield home, bridge


def with_permits(settings: Settings, **limiters: LimiterSettings) -> Settings:
    return replace(settings, permits=replace(settings.permits, **limiters))  # type: ignore[arg-type]


ROOMY = LimiterSettings(burst=100_000, refill_seconds=0.001)


async def test_limits_count_from_the_next_request_and_are_told(tmp_path: Path) -> None:
    settings = bridge_settings()
    async with a_whole_bridge(tmp_path, settings) as (home, bridge), a_client(bridge, AUTHOR) as client:
        await client.turn_credentials()
        change(home, with_permits(settings, turn=LimiterSettings(burst=1, refill_seconds=1000)))
        assert (await bridge.reload()).changed == ["permits.turn.burst", "permits.turn.refill_seconds"]
        await client.turn_credentials()
        with pytest.raises(BridgeRefusal) as caught:
            await client.turn_credentials()
        assert caught.value.refusal.code == "CALL_RELAY_RATE_LIMITED"
        limit = (await client.info()).limits["turn"]
        assert (limit.burst, limit.refill_seconds) == (1, 1000)
        change(home, settings)
        await bridge.reload()
        await client.info()


async def test_admission_counts_from_the_next_request(tmp_path: Path) -> None:
    settings = bridge_settings()
    async with a_whole_bridge(tmp_path, settings) as (home, bridge), a_client(bridge, AUTHOR) as client:
        await client.turn_credentials()
        listed = replace(settings.accounts, admission=Admission.ALLOWLIST)
        change(home, replace(settings, accounts=listed))
        await bridge.reload()
        assert (await client.info()).admission == "allowlist"
        with pytest.raises(BridgeRefusal) as caught:
            await client.turn_credentials()
        assert caught.value.refusal.code == "CALL_RELAY_UNAUTHORIZED"
        change(home, replace(settings, accounts=replace(listed, allow=(encode_npub(AUTHOR.public_key),))))
        await bridge.reload()
        await client.turn_credentials()


async def test_providers_count_from_the_next_request(tmp_path: Path) -> None:
    settings = bridge_settings()
    without_own = replace(settings.turn, managed=replace(settings.turn.managed, enabled=False))
    settings = replace(settings, turn=without_own)
    async with a_whole_bridge(tmp_path, settings) as (home, bridge), a_client(bridge, AUTHOR) as client:
        first = await client.turn_credentials()
        (tmp_path / "turn.secret").write_text("another secret")
        assert (await bridge.reload()).changed == ["turn.coturn.secret_files"]
        assert (await bridge.reload()).changed == []
        assert (await client.turn_credentials()).password != first.password
        change(home, replace(settings, turn=replace(settings.turn, providers=())))
        assert (await bridge.reload()).changed == ["turn.providers"]
        assert "turn.get_credentials" not in (await client.info()).methods
        with pytest.raises(BridgeRefusal) as caught:
            await client.turn_credentials()
        assert caught.value.refusal.code == "BRIDGE_UNKNOWN_METHOD"
        change(home, settings)
        await bridge.reload()
        assert (await client.turn_credentials()).urls == first.urls


async def test_secret_file_that_is_missing_leaves_the_old_settings_as_a_whole(tmp_path: Path) -> None:
    settings = bridge_settings()
    async with a_whole_bridge(tmp_path, settings) as (home, bridge), a_client(bridge, AUTHOR) as client:
        (tmp_path / "turn.secret").unlink()
        change(home, with_permits(settings, turn=LimiterSettings(burst=1, refill_seconds=1000)))
        with pytest.raises(ReloadRefused, match=r"\[turn\.coturn\] secret_files: cannot read .*turn\.secret"):
            await bridge.reload()
        for _ in range(3):
            await client.turn_credentials()


async def test_broken_file_leaves_the_old_settings_as_a_whole(tmp_path: Path) -> None:
    settings = bridge_settings()
    async with a_whole_bridge(tmp_path, settings) as (home, bridge), a_client(bridge, AUTHOR) as client:
        tight = render(with_permits(settings, turn=LimiterSettings(burst=1, refill_seconds=1000)))
        home.settings_file.write_text(f"{tight}\n[nonsense]\n", encoding="utf-8")
        with pytest.raises(ReloadRefused, match="nonsense: there is no such table"):
            await bridge.reload()
        for _ in range(3):
            await client.turn_credentials()
        home.settings_file.unlink()
        with pytest.raises(ReloadRefused, match="is not there"):
            await bridge.reload()
        await client.turn_credentials()


async def test_key_that_is_none_leaves_the_old_settings_as_a_whole(tmp_path: Path) -> None:
    """Its form is right, so that only the part that decodes it can tell."""
    settings = bridge_settings()
    async with a_whole_bridge(tmp_path, settings) as (home, bridge), a_client(bridge, AUTHOR) as client:
        tight = with_permits(settings, turn=LimiterSettings(burst=1, refill_seconds=1000))
        change(home, replace(tight, accounts=replace(tight.accounts, blocked=("npub1" + "q" * 58,))))
        with pytest.raises(ReloadRefused, match=r"accounts\.blocked"):
            await bridge.reload()
        for _ in range(3):
            await client.turn_credentials()


async def test_reloads_amid_load_lose_no_request_and_refuse_none(tmp_path: Path) -> None:
    """Both files have room for everybody, so that whatever is refused was refused for the reload."""
    settings = with_permits(bridge_settings(), turn=ROOMY, info=ROOMY, free=ROOMY, free_together=ROOMY)
    other = with_permits(settings, turn=LimiterSettings(burst=50_000, refill_seconds=0.5))
    clients, requests = 4, 40
    async with a_whole_bridge(tmp_path, settings) as (home, bridge):

        async def ask(number: int) -> int:
            async with a_client(bridge, SecretKey(drawn(f"asker {number}"))) as client:
                for _ in range(requests):
                    assert (await client.turn_credentials()).username
                    assert (await client.info()).limits["turn"].burst in (50_000, 100_000)
            return requests

        async def reload_all_the_time(asking: list[asyncio.Task[int]]) -> int:
            reloads = 0
            while not all(task.done() for task in asking):
                for wanted in (other, settings):
                    change(home, wanted)
                    together = await asyncio.gather(bridge.reload(), bridge.reload())
                    assert [len(one.changed) for one in together] == [2, 0]
                home.settings_file.write_text("[", encoding="utf-8")
                with pytest.raises(ReloadRefused):
                    await bridge.reload()
                reloads += 5
            return reloads

        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(ask(number)) for number in range(clients)]
            reloading = tasks.create_task(reload_all_the_time(asking))
        assert [task.result() for task in asking] == [requests] * clients
        assert reloading.result() >= 15

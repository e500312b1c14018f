"""Relays that are not ours: the bridge reads there what is for it, with the checks of its own endpoint."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

import bridge.upstream as module
from bridge.announcements import announcements
from bridge.relay.limits import PublishLimits
from bridge.settings.endpoint import BridgeSettings, UpstreamSettings
from bridge.upstream import Upstream, connection_limits
from nips.event import VerifiedEvent
from storage.errors import StorageBusy
from storage.interface import Added
from tests.support.clock import FixedClock
from tests.support.deadline import within
from tests.support.entropy import SeededEntropy
from tests.support.fake_relay import FakeRelay, FakeSession
from tests.support.wraps import BRIDGE, LIVE, NOW, STRANGER, Json, a_rumor, a_seal, a_wrap


class RecordingInbox:
    """Keeps what it is given, after as many refusals as a test wants."""

    def __init__(self, *refusals: Added | Exception) -> None:
        self.accepted: list[tuple[str, str]] = []
        self.changed = asyncio.Event()
        self._refusals = list(refusals)

    async def accept(self, wrap: VerifiedEvent, *, link: str) -> Added:
        """Take a wrap, or refuse it as scripted."""
        if self._refusals:
            refusal = self._refusals.pop(0)
            if isinstance(refusal, Exception):
                raise refusal
            return refusal
        self.accepted.append((wrap.id, link))
        self.changed.set()
        return Added.ADDED

    async def wait_for(self, count: int) -> None:
        """Return when so many wraps are here."""
        async with within(10):
            while len(self.accepted) < count:
                await self.changed.wait()
                self.changed.clear()


def serving(wraps: Sequence[Json]) -> FakeRelay:
    """Return a relay that answers the bridge's subscriptions with these wraps, whatever they are."""

    async def script(session: FakeSession) -> None:
        requests = [await session.expect("REQ"), await session.expect("REQ")]
        names = {tuple(request[2]["kinds"]): request[1] for request in requests}
        for wrap in wraps:
            await session.say("EVENT", names[wrap["kind"],], wrap)
        for name in names.values():
            await session.say("EOSE", name)

    return FakeRelay(script)


@asynccontextmanager
async def listening(
    relay: FakeRelay,
    inbox: RecordingInbox,
    *about_us: VerifiedEvent,
    limits: PublishLimits | None = None,
    clock: FixedClock | None = None,
) -> AsyncIterator[Upstream]:
    settings = UpstreamSettings(relays=(relay.url,))
    upstream = Upstream(
        settings,
        BRIDGE,
        limits=limits or PublishLimits(),
        clock=clock or FixedClock(NOW),
        entropy=SeededEntropy(),
    )
    upstream.listen(inbox)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(upstream.run(about_us))
        yield upstream
        await upstream.close()


async def test_wraps_of_both_kinds_are_accepted_with_the_link_they_came_by() -> None:
    stored, live = a_wrap(a_seal(a_rumor())), a_wrap(a_seal(a_rumor()), kind=LIVE)
    inbox = RecordingInbox()
    async with serving([stored, live]) as relay, listening(relay, inbox):
        await inbox.wait_for(2)
        assert set(inbox.accepted) == {(stored["id"], relay.url), (live["id"], relay.url)}


async def test_wrap_out_of_its_window_or_with_a_second_recipient_never_reaches_the_inbox() -> None:
    ours = ["p", BRIDGE.public_key]
    expired = a_wrap(a_seal(a_rumor()), tags=[ours, ["expiration", str(NOW)]])
    two = a_wrap(a_seal(a_rumor()), tags=[ours, ["p", STRANGER.public_key]])
    good = a_wrap(a_seal(a_rumor()))
    inbox = RecordingInbox()
    async with serving([expired, two, good]) as relay, listening(relay, inbox):
        await inbox.wait_for(1)
        assert inbox.accepted == [(good["id"], relay.url)]


async def test_wrap_beyond_the_limits_of_our_own_endpoint_never_reaches_the_inbox() -> None:
    ours = ["p", BRIDGE.public_key]
    good = a_wrap(a_seal(a_rumor()))
    tagged = a_wrap(a_seal(a_rumor()), tags=[ours, *[["t", "x"]] * 2])
    large = a_wrap(a_seal(a_rumor(content="x" * 4096)))
    inbox, limits = RecordingInbox(), PublishLimits(max_event_bytes=4096, max_event_tags=2)
    async with serving([tagged, large, good]) as relay, listening(relay, inbox, limits=limits):
        await inbox.wait_for(1)
        assert inbox.accepted == [(good["id"], relay.url)]


async def test_what_is_refused_is_logged_for_debugging_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "bridge.upstream")
    expired = a_wrap(a_seal(a_rumor()), tags=[["p", BRIDGE.public_key], ["expiration", str(NOW)]])
    inbox = RecordingInbox()
    async with serving([expired, a_wrap(a_seal(a_rumor()))]) as relay, listening(relay, inbox):
        await inbox.wait_for(1)
    (record,) = [record for record in caplog.records if record.name == "bridge.upstream"]
    assert (record.levelno, record.getMessage()) == (logging.DEBUG, "wrap refused")


async def test_clock_that_is_set_back_after_linking_does_not_make_the_bridge_deaf() -> None:
    inbox, clock = RecordingInbox(), FixedClock(NOW + 3600)
    asked, go = asyncio.Event(), asyncio.Event()
    live, stored = a_wrap(a_seal(a_rumor()), kind=LIVE), a_wrap(a_seal(a_rumor()), created_at=NOW - 172_800)

    async def script(session: FakeSession) -> None:
        requests = [await session.expect("REQ"), await session.expect("REQ")]
        names = {tuple(request[2]["kinds"]): request[1] for request in requests}
        asked.set()
        await go.wait()
        for wrap in (live, stored):
            await session.say("EVENT", names[wrap["kind"],], wrap)

    async with FakeRelay(script) as relay, listening(relay, inbox, clock=clock), within():
        await asked.wait()
        clock.set_back(3600)
        go.set()
        await inbox.wait_for(2)


@pytest.mark.parametrize("refusal", [Added.FULL, StorageBusy("busy")])
async def test_wrap_waits_for_room_in_the_inbox_and_is_not_lost(
    refusal: Added | Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_RETRY_SECONDS", 0.001)
    first, second = a_wrap(a_seal(a_rumor())), a_wrap(a_seal(a_rumor(created_at=NOW - 6)))
    inbox = RecordingInbox(refusal, refusal)
    async with serving([first, second]) as relay, listening(relay, inbox):
        await inbox.wait_for(2)
        assert [identity for identity, _ in inbox.accepted] == [first["id"], second["id"]]


async def test_filters_name_the_bridge_alone_and_only_that_of_stored_wraps_looks_back() -> None:
    asked: list[Json] = []

    async def script(session: FakeSession) -> None:
        for _ in range(2):
            request = await session.expect("REQ")
            asked.append(request[2])
            await session.say("EOSE", request[1])

    async with FakeRelay(script) as relay, listening(relay, RecordingInbox()) as upstream, within(10):
        await upstream.links[relay.url].wait_ready()
    by_kind = {wanted["kinds"][0]: wanted for wanted in asked}
    assert all(wanted["#p"] == [BRIDGE.public_key] for wanted in asked)
    assert by_kind[1059]["since"] == NOW - UpstreamSettings().catch_up_seconds
    assert "since" not in by_kind[LIVE]


async def test_announcement_is_published_until_the_relay_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_RETRY_SECONDS", 0.001)
    published: list[Json] = []
    done = asyncio.Event()

    async def script(session: FakeSession) -> None:
        accepted = 0
        while accepted < 2:
            message = json.loads(await session.socket.recv())
            if message[0] == "REQ":
                await session.say("EOSE", message[1])
                continue
            published.append(message[1])
            is_first = len(published) == 1
            await session.say("OK", message[1]["id"], not is_first, "rate-limited: later" if is_first else "")
            accepted += not is_first
        done.set()

    about_us = announcements(
        BRIDGE, BridgeSettings(), ["ws://ours.example"], clock=FixedClock(NOW), entropy=SeededEntropy()
    )
    async with FakeRelay(script) as relay, listening(relay, RecordingInbox(), *about_us), within(10):
        await done.wait()
    assert {event["kind"] for event in published} == {10002, 10050, 31990}
    assert len(published) == 3


def test_relay_that_is_named_twice_has_one_link() -> None:
    settings = UpstreamSettings(relays=("ws://a.example", "ws://a.example"))
    upstream = Upstream(settings, BRIDGE, limits=PublishLimits(), clock=FixedClock(NOW), entropy=SeededEntropy())
    assert list(upstream.links) == ["ws://a.example"]


def test_every_figure_of_a_link_is_the_operators() -> None:
    limits = connection_limits(
        UpstreamSettings(connect_timeout_seconds=3, ok_timeout_seconds=4, ping_interval_seconds=5)
    )
    assert (limits.open_seconds, limits.publish_seconds, limits.ping_seconds) == (3, 4, 5)
    assert limits.backoff.cap_seconds == UpstreamSettings().backoff_max_seconds

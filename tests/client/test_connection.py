"""The connection: publishing and subscribing over real sockets, with a relay that says what the test wrote."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from client.authentication import AuthState
from client.clock import SystemClock
from client.connection import OnEndOfStored
from client.limits import LinkLimits
from client.publications import Outcome, Verdict
from client.subscriptions import SubscriptionState
from nips.event import VerifiedEvent, parse_event
from nips.nip42 import check_auth
from tests.support.deadline import SCALE, within
from tests.support.fake_relay import FakeRelay, FakeSession, running
from tests.support.link_conversation import DEMAND, a_note
from tests.support.relay_connection import Inbox, accept_all, connection_to, notes, silence
from tests.support.wraps import AUTHOR, BRIDGE

# Publishing


async def test_publishing_returns_the_relays_verdict() -> None:
    async def relay(session: FakeSession) -> None:
        for answer in ((True, ""), (False, "blocked: not this")):
            _, event = await session.expect("EVENT")
            await session.say("OK", event["id"], *answer)

    async with within(), FakeRelay(relay) as server:
        connection = connection_to(server.url)
        async with running(connection):
            assert await connection.publish(a_note("one")) == Verdict(Outcome.ACCEPTED)
            assert await connection.publish(a_note("two")) == Verdict(Outcome.REFUSED, "blocked: not this")
            assert connection.status.unanswered == 0


async def test_event_published_twice_at_once_is_sent_once() -> None:
    async with within(), FakeRelay(accept_all) as server:
        connection = connection_to(server.url)
        async with running(connection):
            one, two = await asyncio.gather(connection.publish(a_note()), connection.publish(a_note()))
            assert one == two == Verdict(Outcome.ACCEPTED)


async def test_silent_relay_leaves_the_verdict_unknown() -> None:
    async with within(), FakeRelay(silence) as server:
        connection = connection_to(server.url)
        async with running(connection):
            assert await connection.publish(a_note(), timeout_seconds=0.05) == Verdict(Outcome.UNANSWERED)
            assert connection.status.unanswered == 0


async def test_event_is_sent_again_when_the_relay_goes_away_before_its_answer() -> None:
    async def go_away(session: FakeSession) -> None:
        await session.expect("EVENT")
        session.drop()

    async with within(), FakeRelay(go_away, accept_all) as server:
        connection = connection_to(server.url)
        async with running(connection):
            assert await connection.publish(a_note()) == Verdict(Outcome.ACCEPTED)
        assert server.sessions == 2


async def test_without_a_relay_publishing_ends_at_its_time() -> None:
    async with FakeRelay(silence) as server:
        url = server.url
    connection = connection_to(url)
    async with within(), running(connection):
        assert await connection.publish(a_note(), timeout_seconds=0.2 * SCALE) == Verdict(Outcome.UNANSWERED)
        assert connection.status.connected_since is None
        assert connection.status.failures > 0
        assert connection.status.last_error == "ConnectionRefusedError"


async def test_too_many_publications_are_refused_at_once() -> None:
    async with within(), FakeRelay(silence) as server:
        connection = connection_to(server.url, link=LinkLimits(max_publications=1))
        async with running(connection), asyncio.TaskGroup() as tasks:
            first = tasks.create_task(connection.publish(a_note("one")))
            await connection.wait_ready()
            second = await connection.publish(a_note("two"))
            assert (second.outcome, first.done()) == (Outcome.UNANSWERED, False)
            first.cancel()


async def test_caller_that_stops_waiting_leaves_nothing_behind() -> None:
    async with within(), FakeRelay(silence) as server:
        connection = connection_to(server.url)
        async with running(connection):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await connection.publish(a_note())
            assert connection.status.unanswered == 0


# Subscribing


async def test_subscriber_is_handed_events_and_told_the_end_of_those_stored() -> None:
    async def relay(session: FakeSession) -> None:
        await session.expect("REQ")
        await session.say("EVENT", "a", a_note("stored").to_dict())
        await session.say("EOSE", "a")
        await session.say("EVENT", "a", a_note("new").to_dict())

    inbox = Inbox()
    async with within(), FakeRelay(relay) as server:
        connection = connection_to(server.url)
        connection.subscribe("a", notes, inbox.take, inbox.end)
        async with running(connection):
            await connection.wait_ready()
            assert [(await inbox.events.get()).content for _ in range(2)] == ["stored", "new"]
            assert inbox.ends == 1
            assert connection.status.subscriptions == {"a": SubscriptionState.LIVE}


async def test_unsubscribing_closes() -> None:
    closed = asyncio.Event()

    async def relay(session: FakeSession) -> None:
        await session.expect("REQ")
        await session.say("EOSE", "a")
        assert await session.expect("CLOSE") == ["CLOSE", "a"]
        await session.say("EVENT", "a", a_note().to_dict())
        closed.set()

    inbox = Inbox()
    async with within(), FakeRelay(relay) as server:
        connection = connection_to(server.url)
        connection.subscribe("a", notes, inbox.take)
        async with running(connection):
            await connection.wait_ready()
            connection.unsubscribe("a")
            await closed.wait()
        assert inbox.events.empty()


async def test_relay_that_is_busy_is_asked_again_later() -> None:
    async def relay(session: FakeSession) -> None:
        await session.expect("REQ")
        await session.say("CLOSED", "a", "rate-limited: later")
        await session.expect("REQ")
        await session.say("EOSE", "a")

    async with within(), FakeRelay(relay) as server:
        connection = connection_to(server.url, link=LinkLimits(delay_seconds=0.01))
        connection.subscribe("a", notes, Inbox().take)
        async with running(connection):
            await connection.wait_ready()


async def test_link_whose_key_was_refused_comes_back_for_a_new_challenge() -> None:
    accepted = asyncio.Event()

    async def relay(session: FakeSession) -> None:
        is_first = session.number == 0
        await session.say("AUTH", f"challenge {session.number}")
        messages: dict[str, Any] = {}
        while set(messages) != {"AUTH", "REQ"}:
            verb, subject, *_ = json.loads(await session.socket.recv())
            messages[verb] = subject
            # The first time our clock was wrong, as at a boot before NTP.
            if verb == "AUTH":
                await session.say("OK", subject["id"], not is_first, "invalid: created_at" if is_first else "")
        if is_first:
            await session.say("CLOSED", messages["REQ"], "auth-required: prove a key")
        else:
            accepted.set()
            await session.say("EOSE", (await session.expect("REQ"))[1])

    async with within(), FakeRelay(relay) as server:
        connection = connection_to(server.url, AUTHOR, link=LinkLimits(max_delay_seconds=0.01))
        connection.subscribe("a", notes, Inbox().take)
        async with running(connection):
            await accepted.wait()
            await connection.wait_ready()
            assert connection.status.auth == {AUTHOR.public_key: AuthState.ACCEPTED}


async def test_operator_reads_when_a_link_comes_and_goes(caplog: pytest.LogCaptureFixture) -> None:
    dropped = asyncio.Event()

    async def relay(session: FakeSession) -> None:
        if session.number == 0:
            session.drop()
        else:
            dropped.set()

    caplog.set_level(logging.INFO, "client.connection")
    async with within(), FakeRelay(relay) as server:
        connection = connection_to(server.url)
        async with running(connection):
            await dropped.wait()
            await connection.wait_ready()
    said = [(record.levelno, record.getMessage()) for record in caplog.records if record.name == "client.connection"]
    assert said[:3] == [
        (logging.INFO, "linked to a relay"),
        (logging.WARNING, "no link to a relay"),
        (logging.INFO, "linked to a relay"),
    ]


async def test_what_a_relay_says_is_logged_for_debugging_only_and_escaped(caplog: pytest.LogCaptureFixture) -> None:
    async def relay(session: FakeSession) -> None:
        await session.expect("REQ")
        await session.say("NOTICE", "one\nline")
        await session.say("CLOSED", "a", "blocked: no")

    caplog.set_level(logging.DEBUG, "client.connection")
    async with within(), FakeRelay(relay) as server:
        connection = connection_to(server.url)
        connection.subscribe("a", notes, Inbox().take)
        async with running(connection):
            await connection.wait_ready()
            assert connection.status.subscriptions == {"a": SubscriptionState.REFUSED}
    ours = [record for record in caplog.records if record.name == "client.connection" and record.levelno < logging.INFO]
    assert [record.getMessage() for record in ours] == [
        f"{connection.url}: notice: 'one\\nline'",
        f"{connection.url}: subscription a refused: 'blocked: no'",
    ]


async def test_relay_that_refuses_to_serve_us_is_told_of_once_on_each_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def blocked(session: FakeSession) -> None:
        for _ in range(4):
            await session.say("CLOSED", (await session.expect("REQ"))[1], "blocked: no\nroom")
        session.drop()

    async def restricted(session: FakeSession) -> None:
        for _ in range(2):
            await session.say("CLOSED", (await session.expect("REQ"))[1], "restricted: not you")
        for _ in range(2):
            await session.say("EOSE", (await session.expect("REQ"))[1])

    caplog.set_level(logging.WARNING, "client.connection")
    async with within(), FakeRelay(blocked, restricted) as server:
        connection = connection_to(server.url, link=LinkLimits(max_delay_seconds=0.01))
        served = {name: asyncio.Event() for name in "ab"}
        for name, event in served.items():
            connection.subscribe(name, notes, Inbox().take, _setter(event))
        async with running(connection):
            for event in served.values():
                await event.wait()
    told = [record for record in caplog.records if record.getMessage() == "a relay refuses to serve us"]
    assert [vars(record)["facts"] for record in told] == [
        {"relay": connection.url, "prefix": "blocked"},
        {"relay": connection.url, "prefix": "restricted"},
    ]


def _setter(event: asyncio.Event) -> OnEndOfStored:
    async def set_it() -> None:
        event.set()

    return set_it


async def test_subscriber_that_fails_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    inbox = Inbox()

    async def fail_first(event: VerifiedEvent) -> None:
        if event.content == "bad":
            raise RuntimeError("a fault of the subscriber")
        await inbox.take(event)

    async def relay(session: FakeSession) -> None:
        await session.expect("REQ")
        for content in ("bad", "good"):
            await session.say("EVENT", "a", a_note(content).to_dict())

    async with within(), FakeRelay(relay) as server:
        connection = connection_to(server.url)
        connection.subscribe("a", notes, fail_first)
        async with running(connection):
            assert (await inbox.events.get()).content == "good"
    assert [record.levelno for record in caplog.records if record.name == "client.connection"] == [logging.ERROR]


async def test_slow_subscriber_stops_the_reading_and_nothing_is_lost() -> None:
    release = asyncio.Event()
    inbox = Inbox()

    async def wait_for_release(event: VerifiedEvent) -> None:
        await release.wait()
        await inbox.take(event)

    async def relay(session: FakeSession) -> None:
        await session.expect("REQ")
        await session.say("EOSE", "a")
        _, event = await session.expect("EVENT")
        for number in range(50):
            await session.say("EVENT", "a", a_note(str(number)).to_dict())
        await session.say("OK", event["id"], True, "")

    async with within(), FakeRelay(relay) as server:
        connection = connection_to(server.url, max_queue=3)
        connection.subscribe("a", notes, wait_for_release)
        async with running(connection):
            await connection.wait_ready()
            # The relay's OK stands behind more events than are read.
            verdict = await connection.publish(a_note("mine"), timeout_seconds=0.5 * SCALE)
            assert verdict.outcome is Outcome.UNANSWERED
            # One with the subscriber, three queued, one in the reader's hand.
            assert connection.status.undelivered == 3
            assert connection.status.counts.received == 5
            release.set()
            contents = [(await inbox.events.get()).content for _ in range(50)]
            assert contents == [str(number) for number in range(50)]


# Authentication


async def test_keys_are_proved_before_what_needs_them_is_asked_again() -> None:
    proved: list[str] = []

    async def relay(session: FakeSession) -> None:
        await session.expect("REQ")
        await session.say("CLOSED", "a", DEMAND)
        await session.say("AUTH", "challenge")
        for accepted in (True, False):
            _, value = await session.expect("AUTH")
            event = parse_event(value)
            now = SystemClock().now()
            url = connection.url
            proved.append(check_auth(event, relay_url=url, challenge="challenge", now=now, window_seconds=60))
            await session.say("OK", event.id, accepted, "" if accepted else "error: already authenticated")
        await session.expect("REQ")
        await session.say("EVENT", "a", a_note().to_dict())
        await session.say("EOSE", "a")

    inbox = Inbox()
    async with within(), FakeRelay(relay) as server:
        connection = connection_to(server.url, AUTHOR, BRIDGE)
        connection.subscribe("a", notes, inbox.take)
        async with running(connection):
            await connection.wait_ready()
            await inbox.events.get()
            assert proved == [AUTHOR.public_key, BRIDGE.public_key]
            assert connection.status.auth == {
                AUTHOR.public_key: AuthState.ACCEPTED,
                BRIDGE.public_key: AuthState.REFUSED,
            }


async def test_event_that_needs_authentication_is_published_after_it() -> None:
    async def relay(session: FakeSession) -> None:
        _, event = await session.expect("EVENT")
        await session.say("OK", event["id"], False, DEMAND)
        await session.say("AUTH", "challenge")
        _, auth = await session.expect("AUTH")
        await session.say("OK", auth["id"], True, "")
        _, event = await session.expect("EVENT")
        await session.say("OK", event["id"], True, "")

    async with within(), FakeRelay(relay) as server:
        connection = connection_to(server.url, AUTHOR)
        async with running(connection):
            assert await connection.publish(a_note()) == Verdict(Outcome.ACCEPTED)

"""What a connection tells of its relay: its words, few of them, and of this connection alone."""

from __future__ import annotations

from client.authentication import AuthState
from client.connection import RelayConnection
from nips.event import parse_event
from nips.filter import Filter
from tests.support.deadline import within
from tests.support.fake_bridge import CLOCK, ENTROPY
from tests.support.fake_relay import FakeRelay, FakeSession, running
from tests.support.wraps import AUTHOR


async def ignore(event: object) -> None:
    """Take what comes."""


async def test_words_of_the_relay_are_kept_and_only_so_many() -> None:
    async def talkative(session: FakeSession) -> None:
        name = (await session.expect("REQ"))[1]
        for number in range(50):
            await session.say("NOTICE", f"notice {number}")
        await session.say("CLOSED", name, "blocked: not you")
        await session.wait_closed()

    async with within(), FakeRelay(talkative) as relay:
        connection = RelayConnection(relay.url, clock=CLOCK, entropy=ENTROPY)
        connection.subscribe("a", lambda now: [Filter()], ignore)
        async with running(connection):
            await connection.wait_ready()
            words = connection.status.words
    assert words[-2:] == ("notice 49", "blocked: not you")
    assert len(words) == 8


async def test_key_is_proved_for_the_name_that_the_relay_has_for_itself() -> None:
    async def far(session: FakeSession) -> None:
        await session.say("AUTH", "challenge")
        event = parse_event((await session.expect("AUTH"))[1])
        await session.say("OK", event.id, event.first_tag("relay") == "wss://relay.example.org", "welcome")
        await session.say("EOSE", (await session.expect("REQ"))[1])
        await session.wait_closed()

    async with within(), FakeRelay(far) as relay:
        connection = RelayConnection(
            relay.url, keys=[AUTHOR], clock=CLOCK, entropy=ENTROPY, auth_url="wss://relay.example.org"
        )
        async with running(connection):
            await connection.wait_ready()
            connection.subscribe("a", lambda now: [Filter()], ignore)
            await connection.wait_ready()
            assert connection.status.auth == {AUTHOR.public_key: AuthState.ACCEPTED}
            assert connection.status.words == ("welcome",)

"""Live requests through kills: whoever publishes the same wraps again after a crash gets every answer, charged once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import WebSocketException

from client.wrapping import wrap_rumor
from nips import kinds
from nips.event import VerifiedEvent
from tests.faults.test_crash import BURST, CLOCK, ENTROPY, Asker, Load, remaining_permits
from tests.support.deadline import within
from tests.support.entropy import SeededEntropy
from tests.support.process import Switchboard

KILLS = 8
LOAD = Load(100, workers=0)


def a_live_wrap(asker: Asker, number: int) -> VerifiedEvent:
    """Return a live wrap of a new request."""
    rumor = asker.ask(number)
    return wrap_rumor(rumor, asker.secret, asker.bridge, kind=kinds.EPHEMERAL_GIFT_WRAP, clock=CLOCK, entropy=ENTROPY)


async def listening(asker: Asker, url: str) -> ClientConnection:
    """Connect, prove the key and subscribe to live wraps."""
    socket = await asker.connect(url)
    await socket.send(json.dumps(["REQ", "live", {"kinds": [21059], "#p": [asker.secret.public_key]}]))
    assert json.loads(await socket.recv())[0] == "EOSE"
    return socket


async def publish(socket: ClientConnection, wraps: Iterable[VerifiedEvent]) -> None:
    """Send wraps as fast as the connection takes them, until it breaks."""
    with suppress(WebSocketException, OSError):
        for wrap in wraps:
            await socket.send(f'["EVENT",{wrap.to_json()}]')


async def take_note(socket: ClientConnection, asker: Asker, unacknowledged: dict[str, VerifiedEvent]) -> None:
    """Read one message: an answer, or the OK of a wrap, which comes after its answer."""
    message = json.loads(await socket.recv())
    if message[0] == "EVENT":
        return asker.read(message[2])
    verb, wrap_id, accepted, reason = message
    assert (verb, accepted) == ("OK", True), reason
    del unacknowledged[wrap_id]


async def test_same_live_wraps_published_again_after_a_kill_get_every_answer(tmp_path: Path) -> None:
    chance, options = SeededEntropy(11), ["--turn-host", "turn.example.org"]
    async with within(120), Switchboard(tmp_path / "home", *options, change=LOAD.settings) as program:
        asker = Asker(program.public_key)
        for kill in range(KILLS):
            numbers = range(kill * LOAD.requests, (kill + 1) * LOAD.requests)
            unacknowledged = {wrap.id: wrap for wrap in (a_live_wrap(asker, number) for number in numbers)}
            socket = await listening(asker, program.url)
            await publish(socket, tuple(unacknowledged.values()))
            last = 1 + chance.below(LOAD.requests - 1)
            while len(unacknowledged) > last:
                await take_note(socket, asker, unacknowledged)
            await program.kill()
            with suppress(WebSocketException, OSError):
                while True:
                    await take_note(socket, asker, unacknowledged)
            await program.start()
            socket = await listening(asker, program.url)
            await publish(socket, tuple(unacknowledged.values()))
            while unacknowledged:
                await take_note(socket, asker, unacknowledged)
            assert set(asker.answers) == set(asker.rumors)
            await socket.close()

        assert {len(responses) for responses in asker.responses.values()} == {1}
        socket = await asker.connect(program.url)
        await socket.send(json.dumps(["REQ", "answers", {"kinds": [1059], "#p": [asker.secret.public_key]}]))
        assert await remaining_permits(socket, asker) == BURST - len(asker.rumors)
        await socket.close()
        assert program.complaints == []

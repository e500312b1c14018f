"""One connection to the relay under test: says anything, hears everything, and keeps what passed for the report."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from client.clock import Clock
from nips.event import Event
from nips.keys import SecretKey
from nips.nip42 import make_auth
from nips.strict_json import dump
from tests.relay.checks import CheckFailed, NotApplicable, expect
from tests.relay.target import Target

VERBS = {"EVENT": 3, "OK": 4, "EOSE": 2, "CLOSED": 3, "NOTICE": 2, "AUTH": 2, "COUNT": 3}
"""What a relay may say, and how many elements that has at least (NIP-01, NIP-42, NIP-45)."""

WAITS = (1, 2, 4, 8)
"""Seconds to wait, time after time, where the relay says that we are too fast."""

Message = list[Any]
Filter = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ok:
    """The relay's word on an event."""

    accepted: bool
    message: str

    @property
    def prefix(self) -> str:
        """The machine-readable word, or nothing."""
        return prefix_of(self.message)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came for a REQ, up to its EOSE or CLOSED."""

    events: Sequence[Mapping[str, Any]]
    end: Message

    @property
    def ids(self) -> list[str]:
        """The ids of the events, in their order."""
        return [str(event.get("id")) for event in self.events]

    @property
    def closed(self) -> str | None:
        """The message of CLOSED, if the relay refused."""
        return str(self.end[2]) if self.end[0] == "CLOSED" else None

    @property
    def hints(self) -> Sequence[str]:
        """The hints of NIP-67 on EOSE."""
        return self.end[2] if self.end[0] == "EOSE" and len(self.end) > 2 else ()


class Client:
    """A websocket, and what was heard on it that nobody has asked for yet."""

    def __init__(self, socket: ClientConnection, target: Target, *, clock: Clock, log: list[str], label: str) -> None:
        """Take an open socket; whatever passes is written into `log`, with a label for the connection."""
        self.challenge: str | None = None
        self._socket = socket
        self._url = target.url
        self._timeout = target.timeout
        self._nothing = target.nothing
        self._unreadable = 0
        self._clock = clock
        self._log = log
        self._label = label
        self._heard: list[Message] = []
        self._names = (f"c{number}" for number in itertools.count(1))

    async def say(self, *message: object) -> None:
        """Send a message."""
        await self.say_text(dump(list(message)))

    async def say_text(self, frame: str | bytes) -> None:
        """Send a frame as it is."""
        self._write_down("→", frame)
        try:
            async with asyncio.timeout(self._timeout):
                await self._socket.send(frame)
        except ConnectionClosed:
            raise CheckFailed(f"the relay has closed the connection ({self._ending()})") from None

    async def hear(self, wanted: Callable[[Message], bool], what: str) -> Message:
        """Return the first message that is wanted; the others stay for whoever wants them."""
        seen = 0
        try:
            async with asyncio.timeout(self._timeout):
                while True:
                    for number in range(seen, len(self._heard)):
                        if wanted(self._heard[number]):
                            return self._heard.pop(number)
                    seen = len(self._heard)
                    await self._listen()
        except TimeoutError:
            also = f", but {self._unreadable} frames that are not JSON" if self._unreadable else ""
            raise CheckFailed(f"no {what} came within {self._timeout:g} s{also}") from None
        except ConnectionClosed:
            raise CheckFailed(f"the relay closed the connection ({self._ending()}) where {what} was due") from None

    async def publish(self, event: Event) -> Ok:
        """Publish an event and return the verdict."""
        return await self.publish_text(event.to_json(), event.id)

    async def publish_text(self, event: str, identity: str) -> Ok:
        """Publish an event that is written already, and return the verdict on that id."""
        for wait in WAITS:
            await self.say_text(f'["EVENT",{event}]')
            verdict = await self._verdict(identity)
            if verdict.prefix != "rate-limited":
                return verdict
            await asyncio.sleep(wait)
        raise CheckFailed(f"the relay takes nothing more: it says that we are too fast, after {sum(WAITS)} s too")

    async def must_take(self, *events: Event) -> None:
        """Publish events that there is no reason to refuse."""
        for event in events:
            verdict = await self.publish(event)
            expect(verdict.accepted, f"a good event of kind {event.kind} was refused: {verdict.message!r}")

    async def request(self, *filters: Filter, name: str | None = None) -> Answer:
        """Open a subscription and return what is stored, or how it was refused."""
        name = name or next(self._names)
        for wait in WAITS:
            await self.say("REQ", name, *filters)
            answer = await self.answer_to(name)
            if prefix_of(answer.closed or "") != "rate-limited":
                return answer
            await asyncio.sleep(wait)
        raise CheckFailed(f"the relay answers nothing more: it says that we are too fast, after {sum(WAITS)} s too")

    async def answer_to(self, name: str) -> Answer:
        """Return what came for a subscription up to the next EOSE or CLOSED."""
        end = await self.hear(lambda said: said[0] in ("EOSE", "CLOSED") and said[1] == name, "EOSE or CLOSED")
        return Answer(self.take_events(name), end)

    async def count(self, *filters: Filter) -> Message:
        """Ask how many there are; return COUNT or CLOSED."""
        name = next(self._names)
        await self.say("COUNT", name, *filters)
        return await self.hear(lambda said: said[0] in ("COUNT", "CLOSED") and said[1] == name, "COUNT or CLOSED")

    async def delivered(self, name: str, identity: str) -> Sequence[str]:
        """Wait for a live event of a subscription; return the ids of those that came for it before."""
        last = await self.hear(lambda said: said[:2] == ["EVENT", name] and said[2].get("id") == identity, "live EVENT")
        return [str(event.get("id")) for event in self.take_events(name) if event is not last[2]]

    async def settle(self) -> list[Message]:
        """Have the relay answer one thing more; return what it said before that and nobody asked for."""
        await self.request({**self._nothing, "limit": 1})
        heard, self._heard = self._heard, []
        return heard

    def take_events(self, name: str) -> list[Mapping[str, Any]]:
        """Return the events that have come for a subscription."""
        events = [said[2] for said in self._heard if said[:2] == ["EVENT", name]]
        self._heard = [said for said in self._heard if said[:2] != ["EVENT", name]]
        return events

    async def authenticate(self, key: SecretKey) -> None:
        """Prove a key, or find that there is no way to."""
        verdict = await self.say_auth(await self.auth_event(key))
        expect(verdict.accepted, f"a good AUTH was refused: {verdict.message!r}")

    async def auth_event(self, key: SecretKey, *, relay: str | None = None, challenge: str | None = None) -> Event:
        """Return the answer to this connection's challenge, or to another."""
        return make_auth(
            key,
            relay_url=self._url if relay is None else relay,
            challenge=await self.need_challenge() if challenge is None else challenge,
            created_at=self._clock.now(),
            aux=bytes(32),
        )

    async def need_challenge(self) -> str:
        """Return the challenge; where none has come, ask for what is not for everybody."""
        if self.challenge is None:
            # An answer to a first question proves that a challenge sent on connecting would be here.
            await self.request({"kinds": [1059], "#p": ["0" * 63 + "1"], "limit": 1})
        if self.challenge is None:
            raise NotApplicable("the relay sends no challenge, neither on connecting nor with a refusal")
        return self.challenge

    async def say_auth(self, event: Event) -> Ok:
        """Send an AUTH event and return the verdict."""
        await self.say_text(f'["AUTH",{event.to_json()}]')
        return await self._verdict(event.id)

    async def ending_of(self, frame: str, wanted: Callable[[Message], bool]) -> Message | None:
        """Send a frame; return the first message that is wanted, or None when the relay closes the connection."""
        try:
            await self.say_text(frame)
            return await self.hear(wanted, "an answer, or the end of the connection,")
        except CheckFailed:
            if self._socket.close_code is None:
                raise
            return None

    async def drop(self) -> None:
        """Break the connection off without a word."""
        self._socket.transport.abort()
        await self._socket.wait_closed()

    async def _verdict(self, identity: str) -> Ok:
        said = await self.hear(lambda said: said[0] == "OK" and said[1] == identity, f"OK for {identity[:8]}…")
        expect(type(said[2]) is bool, f"the third element of OK is not true or false: {said[2]!r}")
        expect(isinstance(said[3], str), f"the fourth element of OK is not a string: {said[3]!r}")
        return Ok(said[2], said[3])

    async def _listen(self) -> None:
        frame = await self._socket.recv()
        self._write_down("←", frame)
        expect(isinstance(frame, str), "the relay sent a binary frame")
        try:
            message = json.loads(frame)
        except ValueError:
            # Not the end: it may be about something that another check has left there.
            self._unreadable += 1
            return
        is_message = isinstance(message, list) and message and message[0] in VERBS
        expect(bool(is_message), f"the relay sent what is no message: {frame[:100]!r}")
        needed = VERBS[message[0]]
        expect(len(message) >= needed, f"the relay sent {message[0]} with {len(message)} elements, not {needed}")
        if message[0] == "AUTH":
            self.challenge = str(message[1])
        else:
            self._heard.append(message)

    def _write_down(self, direction: str, frame: str | bytes) -> None:
        self._log.append(f"{self._label} {direction} {frame if isinstance(frame, str) else repr(frame)}")

    def _ending(self) -> str:
        return f"{self._socket.close_code} {self._socket.close_reason or ''}".rstrip()


def prefix_of(message: str) -> str:
    """Return the machine-readable single word that a message of OK or CLOSED begins with, or nothing."""
    word, colon, _ = message.partition(":")
    return word if colon and word and not any(character.isspace() for character in word) else ""

"""Whole sessions: hostile clients on the real relay, with the real pipeline and a real database behind it.

A chapter is one bridge, new, with a few connections one after another. What is said in it depends on the seed and the
chapter's number alone. In the end the bridge must still serve those who did nothing wrong, and hold nothing that it
has refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, Final

from bridge.relay.addresses import Origin
from bridge.relay.conversation import Conversation
from bridge.relay.endpoint import RelayEndpoint
from bridge.relay.limits import AddressLimits, PublishLimits, RelayLimits, ServerLimits, SessionLimits
from bridge.relay.rates import MailboxBuckets, per_second
from nips import messages
from nips.event import VerifiedEvent, sign_event
from nips.filter import Filter
from nips.messages import write_authenticate, write_publish, write_request
from nips.nip42 import make_auth
from storage.interface import Storage
from tests.fuzz.faults import no_faults
from tests.fuzz.frames import FRIEND, VICTIM, Speaker
from tests.fuzz.guests import Guest, House, check_farewell, check_stored
from tests.fuzz.judging import Finding
from tests.fuzz.mutation import Mutator
from tests.support.deadline import within
from tests.support.entropy import SeededEntropy
from tests.support.pipeline import OWN_URL, Pipeline, a_pipeline
from tests.support.wraps import BRIDGE, ONE_TIME, STRANGER

CONNECTIONS: Final = 8
FRAMES: Final = 250
"""Of each connection, at most."""
IN_FLIGHT: Final = 16
"""Answers that wait for the storage while more is said."""

_PLENTY: Final = per_second(1_000_000, burst=1_000_000)
PATIENT: Final = RelayLimits(
    session=SessionLimits(events=_PLENTY, queries=_PLENTY, max_bad_frames=10**6, max_failed_auths=10**6),
    publish=PublishLimits(
        mailbox=MailboxBuckets(_PLENTY, _PLENTY, _PLENTY), quota_per_recipient=400, max_replaceable_events=300
    ),
    server=ServerLimits(address=AddressLimits(events=_PLENTY, queries=_PLENTY, arrivals=_PLENTY)),
)
"""So wide that most of what is said is looked into."""
STRICT: Final = replace(PATIENT, session=SessionLimits(), server=ServerLimits())
"""With the rates and the patience that are the default."""

PIPELINE_SETTINGS: Final = {
    f"permits.{name}.burst": 1_000_000 for name in ("turn", "info", "invalid", "free", "free_together", "strangers")
}


@dataclass(slots=True)
class Chapter:
    """One bridge and what has been said to it."""

    endpoint: RelayEndpoint
    pipeline: Pipeline
    limits: RelayLimits
    origin: Origin
    house: House = field(default_factory=House)
    wrap_id: str = ""
    """Of a wrap that somebody good has sent to the victim."""

    def connect(self) -> Connection:
        """Open a connection."""
        guest = Guest(self.house)
        conversation = self.endpoint._converse(lambda text: guest.hears(text) is not None, self.origin, lambda: None)
        return Connection(self, guest, conversation)


@dataclass(slots=True)
class Connection:
    """A connection without a socket: frames in, texts judged."""

    chapter: Chapter
    guest: Guest
    conversation: Conversation
    waiting: list[Any] = field(default_factory=list)

    def greeted(self) -> str:
        """Return the challenge, which comes first."""
        greeting = self.guest.hears(self.conversation.greet())
        assert isinstance(greeting, messages.Challenge)
        return greeting.challenge

    async def say(self, frame: str | bytes) -> list[messages.RelayMessage]:
        """Send a frame and judge the answers that come at once."""
        self.guest.says(frame)
        heard = []
        for answer in self.conversation.receive(frame):
            if isinstance(answer, str):
                heard.append(self.guest.hears(answer))
            elif isinstance(answer, AsyncGenerator):
                async with aclosing(answer) as texts:
                    heard += [self.guest.hears(text) async for text in texts]
            else:
                self.waiting.append(answer)
        if len(self.waiting) >= IN_FLIGHT:
            heard += await self.settle()
        return heard

    async def settle(self) -> list[messages.RelayMessage]:
        """Wait for the answers that wait for the storage."""
        waiting, self.waiting = self.waiting, []
        return [self.guest.hears(text) for text in await asyncio.gather(*waiting)]

    def hangs_up(self) -> bool:
        """Tell whether the relay ends the connection, and judge how."""
        return check_farewell(self.guest, self.conversation, self.chapter.limits.session.max_bad_frames)

    async def end(self) -> None:
        """Close the connection."""
        await self.settle()
        await self.drop()

    async def drop(self) -> None:
        """Be gone, and hear no more."""
        await asyncio.gather(*self.waiting, return_exceptions=True)
        self.waiting.clear()
        self.conversation.end()


@asynccontextmanager
async def a_chapter(folder: Path, *, number: int) -> AsyncIterator[Chapter]:
    """Start a bridge in a folder; every fourth has the limits that are the default."""
    limits = STRICT if number % 4 == 3 else PATIENT
    async with a_pipeline(folder, changes=PIPELINE_SETTINGS) as pipeline:
        endpoint = RelayEndpoint(
            bridge=BRIDGE.public_key,
            inbox=pipeline.core.inbox,
            storage=pipeline.storage,
            clock=pipeline.clock,
            entropy=SeededEntropy(f"chapter {number}"),
            host="127.0.0.1",
            port=0,
            public_url=OWN_URL,
            limits=limits,
        )
        yield Chapter(endpoint, pipeline, limits, Origin("192.0.2.1", limits.server.address))


async def live_through(folder: Path, *, seed: int, number: int, frames: int = FRAMES) -> House:
    """Have a bridge live through one chapter; return what was said, or raise what went wrong."""
    rng = Random(f"{seed}/sessions/{number}")
    with no_faults():
        async with within(120), a_chapter(folder, number=number) as chapter:
            await _prepare(chapter)
            for index in range(CONNECTIONS):
                speaker = Speaker(Mutator(rng), f"guest-{index}", relay_url=OWN_URL, prey=chapter.wrap_id)
                await _converse(chapter, speaker, frames)
            await chapter.pipeline.settle()
            await _check_the_end(chapter)
            return chapter.house


async def _prepare(chapter: Chapter) -> None:
    connection = chapter.connect()
    connection.greeted()
    now = chapter.pipeline.clock.now()
    wrap = sign_event(
        FRIEND, created_at=now, kind=1059, tags=[("p", VICTIM.public_key)], content="for you alone", aux=bytes(32)
    )
    for event in (wrap, a_good_event(now)):
        (answer,) = [*await connection.say(write_publish(event)), *await connection.settle()]
        if not (isinstance(answer, messages.Ok) and answer.accepted):
            raise Finding(f"a good event is refused: {answer}")
    chapter.wrap_id = wrap.id
    await connection.end()


async def _converse(chapter: Chapter, speaker: Speaker, frames: int) -> None:
    connection = chapter.connect()
    speaker.challenge = connection.greeted()
    try:
        await _say_frames(chapter, connection, speaker, frames)
        await connection.end()
    finally:
        await connection.drop()


async def _say_frames(chapter: Chapter, connection: Connection, speaker: Speaker, frames: int) -> None:
    for count in range(frames):
        if speaker.mutator.is_so(0.1):
            chapter.pipeline.clock.advance(speaker.mutator.rng.choice((0.01, 0.5, 3)))
            speaker.now = chapter.pipeline.clock.now()
        await connection.say(speaker.frame())
        if connection.hangs_up():
            break
        if count % 50 == 49:
            await _check_good_frame(chapter, connection)


async def _check_good_frame(chapter: Chapter, connection: Connection) -> None:
    """Publish something good amid the hostile: it is taken, unless the rate is used up."""
    await connection.settle()
    profile = a_good_event(chapter.pipeline.clock.now())
    answers = [*await connection.say(write_publish(profile)), *await connection.settle()]
    verdicts = [answer for answer in answers if isinstance(answer, messages.Ok)]
    if [verdict.event_id for verdict in verdicts] != [profile.id]:
        raise Finding("a good event has no answer")
    refused = not verdicts[0].accepted
    if refused and not (chapter.limits is STRICT and verdicts[0].message.startswith("rate-limited:")):
        raise Finding(f"a good event is refused: {verdicts[0].message}")


def a_good_event(now: int) -> VerifiedEvent:
    """Return an event that is always taken, once or again."""
    return sign_event(FRIEND, created_at=now, kind=0, tags=[], content="{}", aux=bytes(32))


async def _check_the_end(chapter: Chapter) -> None:
    """See that the victim gets all that is its own, and that nothing refused is stored."""
    chapter.origin = Origin("192.0.2.2", chapter.limits.server.address)
    connection = chapter.connect()
    auth = make_auth(
        VICTIM,
        relay_url=chapter.endpoint.url,
        challenge=connection.greeted(),
        created_at=chapter.pipeline.clock.now(),
        aux=bytes(32),
    )
    (verdict,) = await connection.say(write_authenticate(auth))
    if not (isinstance(verdict, messages.Ok) and verdict.accepted):
        raise Finding("the victim cannot prove its key any more")
    wanted = Filter(kinds=frozenset({1059}), tags={"p": frozenset({VICTIM.public_key})})
    *found, end = await connection.say(write_request("mine", [wanted]))
    ids = {message.event.id for message in found if isinstance(message, messages.Delivered)}
    if not isinstance(end, messages.EndOfStored) or chapter.wrap_id not in ids:
        raise Finding("the victim's wrap is not served any more")
    check_stored(await _stored(chapter.pipeline.storage, chapter.pipeline.clock.now()), chapter.house.taken)
    if waiting := await chapter.pipeline.waiting():
        raise Finding(f"{len(waiting)} wraps are never answered")
    await connection.end()


async def _stored(storage: Storage, now: int) -> set[str]:
    """Return the ids of all wraps from others, and of all public events."""
    keys = [key.public_key for key in (VICTIM, STRANGER, ONE_TIME, BRIDGE)]
    wraps = await storage.gift_wraps.query(Filter(), recipients=keys, now=now, limit=100_000)
    public = await storage.public_events.query(Filter(), now=now, limit=100_000)
    return {event.id for event in (*wraps, *public)}

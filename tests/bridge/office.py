"""An outbox with what it stands on, and a link to another relay that answers when it is let."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from bridge.lanes import BATCH
from bridge.outbox import Outbox, OutboxRules
from bridge.replies import ReplyTimes, ReplyWriter
from client.publications import Outcome, Verdict
from nips.event import VerifiedEvent
from nips.nip59 import Rumor, make_rumor, open_wrap
from storage.interface import HERE, Answer, Committed, OutboxRow
from storage.sqlite import SqliteStorage
from tests.support.clock import FixedClock
from tests.support.deadline import within
from tests.support.edges import RecordingRelay, ScriptedPublisher
from tests.support.entropy import SeededEntropy
from tests.support.pipeline import OWN_URL, Client, a_sealing
from tests.support.wraps import BRIDGE

ALICE, BOB = Client("alice"), Client("bob")
ONE, TWO = "wss://one.example", "wss://two.example"
RETENTION, FREE_FOR, LIVE_FOR = 604_800, 3600, 60
FIRST_RETRY, LAST_RETRY = 1, 300


class Office:
    """An outbox with what it stands on."""

    def __init__(
        self,
        storage: SqliteStorage,
        publishers: Mapping[str, ScriptedPublisher] | None = None,
        *,
        max_live_waiting: int = 100,
        max_live_waiting_each: int = 100,
        clock: FixedClock | None = None,
        run: int = 1,
    ) -> None:
        self.storage = storage
        self.publishers = publishers or {}
        self.clock = clock or FixedClock()
        self.here = RecordingRelay()
        self.replies = ReplyWriter(
            a_sealing(BRIDGE, self.clock, SeededEntropy(run)),
            times=ReplyTimes(RETENTION, FREE_FOR, LIVE_FOR, 172_800),
            own_url=lambda: OWN_URL,
            upstream=self.publishers,
            public_events=storage.public_events,
            clock=self.clock,
            entropy=SeededEntropy(run),
        )
        self.outbox = Outbox(
            outbox=storage.outbox,
            inbox=storage.inbox,
            replies=self.replies,
            here=self.here,
            publishers=self.publishers,
            clock=self.clock,
            rules=OutboxRules(max_live_waiting, max_live_waiting_each, FIRST_RETRY, LAST_RETRY),
        )
        self._answers = 0

    def a_response(self, client: Client = ALICE) -> Rumor:
        self._answers += 1
        content = f'{{"answer":{self._answers}}}'
        return make_rumor(
            BRIDGE.public_key, created_at=self.clock.now(), kind=24391, tags=[("p", client.key)], content=content
        )

    async def answer(self, kind: int, *links: str, client: Client = ALICE, amount: int = 1) -> list[Rumor]:
        """Record and send answers, as the recorder does; return their rumors."""
        responses = [self.a_response(client) for _ in range(amount)]
        for response in responses:
            replies = await self.replies.write(
                response, client.key, kind=kind, links=links or [HERE], received_at=self.clock.now()
            )
            recorded = await self.storage.requests.commit(Answer(wrap_ids=[], replies=replies))
            assert isinstance(recorded, Committed)
            await self.outbox.send(replies, recorded.queued, response)
        return responses

    async def rows(self, destination: str = HERE) -> Sequence[OutboxRow]:
        return await self.storage.outbox.waiting(destination=destination, now=self.clock.now())

    def heard(self, client: Client = ALICE) -> list[str]:
        """Return the contents that a client was sent live."""
        wraps = [wrap for wrap in self.here.delivered if wrap.tags[0][1] == client.key]
        return [open_wrap(wrap, client.secret).content for wrap in wraps]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.outbox.run())
            try:
                yield
            finally:
                task.cancel()

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and have the lanes notice now instead of when they next look at the clock."""
        self.clock.advance(seconds)
        for lane in self.outbox._lanes.values():
            lane.wake()

    async def came(self, client: Client) -> None:
        """Tell that a client listens, and wait until it has what waited for it."""
        self.outbox.listener_came(client.key)
        await self.outbox._deliver_waiting()

    async def flush(self) -> None:
        async with within(20):
            await self.outbox.flush()


class GatedPublisher:
    """A link that answers when it is let."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.busy = self.most_busy = self.accepted = 0
        self.is_full = asyncio.Event()

    async def publish(self, event: VerifiedEvent) -> Verdict:
        self.busy += 1
        self.most_busy = max(self.busy, self.most_busy)
        if self.busy >= BATCH:
            self.is_full.set()
        try:
            await self.gate.wait()
            self.accepted += 1
            return Verdict(Outcome.ACCEPTED)
        finally:
            self.busy -= 1


def with_gate(office: Office, url: str) -> GatedPublisher:
    gated = GatedPublisher()
    office.outbox._lanes[url]._publisher = gated
    return gated

"""Notices on their way to the operator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bridge.health import courier as courier_module
from bridge.health.courier import MOST_WAITING, Courier, Ways
from bridge.health.incidents import Change
from bridge.health.notices import Notice
from bridge.sealing import LocalSealing
from client.connection import MakeFilters, OnEvent
from client.publications import Outcome
from nips.event import VerifiedEvent
from nips.filter import Filter
from nips.nip17 import make_inbox_relays
from nips.nip59 import open_wrap
from storage.errors import StorageFailed
from storage.sqlite import SqliteStorage
from tests.support.clock import FixedClock
from tests.support.deadline import within
from tests.support.edges import RecordingRelay, ScriptedPublisher
from tests.support.entropy import SeededEntropy
from tests.support.pipeline import OWN_URL, STORED, Client, a_storage, verified
from tests.support.wraps import BRIDGE, drawn

OPERATOR, OTHER = Client("operator"), Client("other")
ONE, TWO = "wss://one.example", "wss://two.example"


def a_notice(text: str = "turn is down") -> Notice:
    return Notice("turn", Change.BEGAN, 1_800_000_000, text)


class Link(ScriptedPublisher):
    """A link that can be asked for a list of relays."""

    def __init__(self, *script: Outcome) -> None:
        super().__init__(*script)
        self.asked: dict[str, tuple[MakeFilters, OnEvent]] = {}
        self._is_asked = asyncio.Event()

    async def was_asked(self) -> None:
        async with within():
            await self._is_asked.wait()

    def subscribe(self, name: str, make_filters: MakeFilters, on_event: OnEvent) -> None:
        self.asked[name] = make_filters, on_event
        self._is_asked.set()

    def unsubscribe(self, name: str) -> None:
        self.asked.pop(name, None)


@dataclass
class Post:
    """A courier at work, and what it goes by."""

    storage: SqliteStorage
    links: Mapping[str, Link]
    clock: FixedClock = field(default_factory=FixedClock)
    delivered: list[Notice] = field(default_factory=list)

    def __post_init__(self) -> None:
        entropy = SeededEntropy("courier")
        ways = Ways(
            bridge=BRIDGE.public_key,
            sealing=LocalSealing(BRIDGE, clock=self.clock, entropy=entropy, max_known_senders=10, unsigned_seals=False),
            here=RecordingRelay(),
            gift_wraps=self.storage.gift_wraps,
            public_events=self.storage.public_events,
            quota=100,
            own_url=lambda: OWN_URL,
            links=self.links,
            clock=self.clock,
        )
        self.courier = Courier(OPERATOR.key, ways, on_delivered=self._note)
        self._has_delivered = asyncio.Event()

    def _note(self, notice: Notice) -> None:
        self.delivered.append(notice)
        self._has_delivered.set()

    async def send(self, *notices: Notice) -> None:
        """Have notices delivered and wait until they are."""
        for notice in notices:
            self.courier.send(notice)
        async with within():
            while self.delivered[-len(notices) :] != list(notices):
                self._has_delivered.clear()
                await self._has_delivered.wait()

    async def kept_here(self) -> list[str]:
        """Return the texts that the operator finds on our own relay."""
        stored = await self.storage.gift_wraps.query(
            Filter(kinds=frozenset({STORED})), recipients=[OPERATOR.key], now=self.clock.now(), limit=100
        )
        return [text_in(verified(event.json)) for event in stored]

    async def list_relays(self, *urls: str, client: Client = OPERATOR) -> VerifiedEvent:
        return make_inbox_relays(client.secret, urls, created_at=self.clock.now(), aux=drawn("aux"))


def text_in(wrap: VerifiedEvent) -> str:
    rumor = open_wrap(wrap, OPERATOR.secret)
    assert (rumor.kind, rumor.pubkey, rumor.tags) == (14, BRIDGE.public_key, (("p", OPERATOR.key),))
    return rumor.content


@asynccontextmanager
async def a_post(folder: Path, links: Mapping[str, Link]) -> AsyncIterator[Post]:
    async with a_storage(folder) as storage, asyncio.TaskGroup() as tasks:
        post = Post(storage, links)
        running = tasks.create_task(post.courier.run())
        yield post
        running.cancel()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier_module, "FIRST_RETRY_SECONDS", 0.01)


async def test_without_a_list_a_notice_goes_everywhere(tmp_path: Path) -> None:
    async with a_post(tmp_path, {ONE: Link(), TWO: Link()}) as post:
        await post.send(a_notice())
        assert await post.kept_here() == ["turn is down"]
        assert [[text_in(wrap) for wrap in link.published] for link in post.links.values()] == [["turn is down"]] * 2


async def test_with_a_list_it_goes_where_the_operator_reads(tmp_path: Path) -> None:
    async with a_post(tmp_path, {ONE: Link(), TWO: Link()}) as post:
        await post.storage.public_events.put(await post.list_relays(f"{TWO}/", "wss://elsewhere.example"))
        await post.send(a_notice())
        assert await post.kept_here() == []
        assert [len(link.published) for link in post.links.values()] == [0, 1]


async def test_list_that_names_nothing_we_reach_is_as_good_as_none(tmp_path: Path) -> None:
    async with a_post(tmp_path, {ONE: Link()}) as post:
        await post.storage.public_events.put(await post.list_relays("wss://elsewhere.example"))
        await post.send(a_notice())
        assert await post.kept_here() == ["turn is down"]
        assert len(post.links[ONE].published) == 1


async def test_list_is_asked_for_on_other_relays_and_the_newest_counts(tmp_path: Path) -> None:
    async with a_post(tmp_path, {ONE: Link(), TWO: Link()}) as post:
        await post.storage.public_events.put(await post.list_relays(OWN_URL))
        await post.links[ONE].was_asked()
        make_filters, on_event = post.links[ONE].asked["operator"]
        assert make_filters(0) == [Filter(kinds=frozenset({10050}), authors=frozenset({OPERATOR.key}))]
        post.clock.advance(10)
        await on_event(await post.list_relays(ONE))
        await on_event(await post.list_relays(TWO, client=OTHER))
        await post.send(a_notice())
        assert await post.kept_here() == []
        assert [len(link.published) for link in post.links.values()] == [1, 0]


async def test_one_relay_that_has_taken_it_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_post(tmp_path, {ONE: Link(Outcome.REFUSED), TWO: Link()}) as post:

        async def full(*args: object, **options: object) -> None:
            raise StorageFailed("disk")

        monkeypatch.setattr(post.storage.gift_wraps, "add", full)
        await post.send(a_notice())
        assert [len(link.published) for link in post.links.values()] == [1, 1]


async def test_notice_that_nobody_takes_is_tried_again_as_the_same_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_post(tmp_path, {ONE: Link(Outcome.UNANSWERED, Outcome.UNANSWERED)}) as post:
        await post.storage.public_events.put(await post.list_relays(ONE))
        await post.send(a_notice())
        wraps = post.links[ONE].published
        assert len({wrap.id for wrap in wraps}) == 3
        assert len({open_wrap(wrap, OPERATOR.secret).id for wrap in wraps}) == 1


async def test_link_that_fails_keeps_the_notice_from_nobody(tmp_path: Path) -> None:
    link = Link()
    link._script.append(ZeroDivisionError())
    async with a_post(tmp_path, {ONE: link}) as post:
        await post.send(a_notice())
        assert await post.kept_here() == ["turn is down"]


async def test_without_an_operator_nothing_is_kept_to_be_sent(tmp_path: Path) -> None:
    async with a_post(tmp_path, {}) as post:
        post.courier.adopt(None)
        post.courier.send(a_notice("for nobody"))
        post.courier.adopt(OPERATOR.key)
        await post.send(a_notice("for somebody"))
        assert await post.kept_here() == ["for somebody"]


async def test_oldest_notices_go_when_too_many_wait(tmp_path: Path) -> None:
    async with a_storage(tmp_path) as storage:
        post = Post(storage, {})
        for number in range(MOST_WAITING + 10):
            post.courier.send(a_notice(str(number)))
        assert [notice.text for notice in post.courier._waiting] == [str(10 + number) for number in range(MOST_WAITING)]

"""The bridge's pipeline without sockets: wraps go in as a relay hands them over, answers are read as a client reads.

Storage, clocks and keys are the real ones or those of `tests.support`; only the edges are stood in for
(`tests.support.edges`). Every answer that is read here is checked against the schemas of the contract.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from bridge.conditions import Conditions
from bridge.destinations import Deliverer, Publisher
from bridge.http import HttpClient
from bridge.identity import Identity, load_identity, make_identity
from bridge.line import NOWHERE, Origin
from bridge.sealing import LocalSealing
from bridge.settings.tree import Settings
from bridge.settings.turn import ProviderKind
from bridge.turn.chain import ChainRules, ProviderChain
from bridge.turn.coturn import CoturnProvider
from bridge.turn.gate import GateRules
from bridge.turn.provider import TurnProvider
from bridge.turn.source import SourceRules
from bridge.wiring import Core, Surroundings, build_core
from bridge.workers.from_settings import build_sealing
from client.wrapping import wrap_rumor
from nips import kinds, nip44
from nips.event import VerifiedEvent, parse_event, sign_event
from nips.filter import Filter
from nips.keys import PublicKey, SecretKey
from nips.nip13 import mine
from nips.nip59 import MAX_PAYLOAD, Rumor, make_rumor, open_wrap, recipient_of
from protocol.catalogue import load_catalogue
from protocol.validation import validate_response, validate_result
from storage.encryption import KeyRing
from storage.interface import HERE, Added, InboxEntry
from storage.sqlite import SqliteStorage, open_storage
from tests.support.clock import FixedClock
from tests.support.deadline import within
from tests.support.edges import TURN_URLS, RecordingRelay, ScriptedPublisher
from tests.support.entropy import SeededEntropy
from tests.support.wraps import BRIDGE, drawn

Json = dict[str, Any]

STORED: Final = kinds.GIFT_WRAP
LIVE: Final = kinds.EPHEMERAL_GIFT_WRAP

OWN_URL: Final = "wss://bridge.example"
STUN_URLS: Final = ("stun:turn.example.org:3478",)
COTURN_SECRET: Final = b"north"

_KEY_RING: Final = KeyRing([(1, bytes(range(32)))])


@dataclass(frozen=True, slots=True)
class Client:
    """Somebody with a key of their own."""

    name: str = "alice"

    @property
    def secret(self) -> SecretKey:
        """The key."""
        return SecretKey(drawn(f"client {self.name}"))

    @property
    def key(self) -> PublicKey:
        """The public key."""
        return self.secret.public_key


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as a client reads it."""

    wrap: VerifiedEvent
    rumor: Rumor
    content: Json

    @property
    def result(self) -> Json:
        """The result; fails the test when there is an error instead."""
        assert "result" in self.content, self.content
        found: Json = self.content["result"]
        return found

    @property
    def error(self) -> Json:
        """The error; fails the test when there is a result instead."""
        assert "error" in self.content, self.content
        found: Json = self.content["error"]
        return found

    @property
    def code(self) -> str | None:
        """The error's code, or None for a result."""
        return self.error["code"] if "error" in self.content else None

    @property
    def answers(self) -> str:
        """Id of the rumor that is answered."""
        return next(tag[1] for tag in self.rumor.tags if tag[0] == "e")


def read_answer(wrap: VerifiedEvent, client: Client, bridge: PublicKey) -> Answer:
    """Open an answer as strictly as a client can, and check it against the schema."""
    rumor = open_wrap(wrap, client.secret)
    assert rumor.pubkey == bridge
    assert rumor.kind == kinds.BRIDGE_RESPONSE
    assert [tag[0] for tag in rumor.tags] == ["p", "e"]
    assert rumor.tags[0][1] == client.key
    content = json.loads(rumor.content)
    validate_response(content)
    return Answer(wrap, rumor, content)


class EventNotes(logging.Handler):
    """Takes note of the events that the log is told of: name and payload, in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[tuple[str, Json]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of one."""
        self.taken.append((record.getMessage(), vars(record)["facts"]))


@dataclass(slots=True)
class Pipeline:
    """The core of a bridge, with everything it stands on."""

    core: Core
    storage: SqliteStorage
    identity: Identity
    clock: FixedClock
    here: RecordingRelay
    publishers: Mapping[str, ScriptedPublisher]
    settings: Settings
    events: list[tuple[str, Json]]
    """What operators were told, by name and payload."""
    _entropy: SeededEntropy
    """Of all clients."""
    _asked: int

    @property
    def key(self) -> PublicKey:
        """The bridge's public key."""
        return self.identity.secret.public_key

    def request(
        self,
        client: Client,
        method: str = "bridge.info",
        params: object = None,
        *,
        created_at: int | None = None,
        tags: Sequence[Sequence[str]] | None = None,
        content: str | None = None,
        **envelope: object,
    ) -> Rumor:
        """Return a request as a rumor, with a new id unless `id` is given; `content` replaces all of it."""
        self._asked += 1
        value = {
            "_v": "1.0.0",
            "id": f"request-{self._asked}",
            "method": method,
            "params": {} if params is None else params,
            **envelope,
        }
        return make_rumor(
            client.key,
            created_at=self.clock.now() if created_at is None else created_at,
            kind=kinds.BRIDGE_REQUEST,
            tags=[("p", self.key)] if tags is None else tags,
            content=json.dumps(value) if content is None else content,
        )

    def wrap(self, rumor: Rumor, client: Client, kind: int = STORED, *, work_bits: int = 0) -> VerifiedEvent:
        """Wrap a rumor for the bridge, each time anew; with few bits of work, if any."""
        wrap = wrap_rumor(rumor, client.secret, self.key, kind=kind, clock=self.clock, entropy=self._entropy)
        return with_work(wrap, work_bits, self._entropy) if work_bits else wrap

    async def accept(self, *wraps: VerifiedEvent, link: str = HERE, origin: Origin = NOWHERE) -> list[Added]:
        """Hand wraps over at once, as a relay does."""
        async with within(20):
            accepting = [self.core.inbox.accept(wrap, link=link, origin=origin) for wrap in wraps]
            return list(await asyncio.gather(*accepting))

    async def settle(self) -> None:
        """Return when all that was accepted is answered, and all that is due went out."""
        async with within(20):
            await self.core.inbox.drain()
            await self.core.outbox.flush()

    async def wait_under_way(self, amount: int) -> None:
        """Wait until workers have taken up so many wraps of requests that are not answered yet."""
        arrivals = self.core.inbox._dispatcher.arrivals
        async with within(20):
            # Nothing announces that a wrap has joined, and nothing but this test wants to know.
            while sum(len(arrival.wrap_ids) for arrival in arrivals._by_rumor.values()) < amount:  # noqa: ASYNC110
                await asyncio.sleep(0)

    async def give(self, *wraps: VerifiedEvent, link: str = HERE, origin: Origin = NOWHERE) -> list[Added]:
        """Hand wraps over at once and return when they are answered."""
        added = await self.accept(*wraps, link=link, origin=origin)
        await self.settle()
        return added

    async def send(self, client: Client, rumor: Rumor, kind: int = STORED, *, link: str = HERE) -> list[Answer]:
        """Send a rumor in a new wrap and return the answers that were not there before."""
        known = {answer.wrap.id for answer in await self.answers(client)}
        await self.give(self.wrap(rumor, client, kind), link=link)
        return [answer for answer in await self.answers(client) if answer.wrap.id not in known]

    async def answer(self, client: Client, rumor: Rumor, kind: int = STORED, *, link: str = HERE) -> Answer:
        """Send a rumor and return the one answer to it."""
        answers = await self.send(client, rumor, kind, link=link)
        assert len(answers) == 1, f"{len(answers)} answers"
        (answer,) = answers
        assert answer.answers == rumor.id
        return answer

    async def ask(self, client: Client, method: str = "bridge.info", params: object = None, **envelope: Any) -> Answer:
        """Send a new request and return the one answer, its result checked against the method's schema."""
        answer = await self.answer(client, self.request(client, method, params, **envelope))
        if "result" in answer.content:
            validate_result(method, answer.result)
        return answer

    async def answers(self, client: Client) -> list[Answer]:
        """Return everything that a client can read by now: kept for it, sent to it live, and on other relays."""
        stored = await self.storage.gift_wraps.query(
            Filter(kinds=frozenset({STORED})), recipients=[client.key], now=self.clock.now(), limit=1000
        )
        kept = [verified(event.json) for event in stored]
        elsewhere = [event for publisher in self.publishers.values() for event in publisher.published]
        wraps = {wrap.id: wrap for wrap in [*kept, *self.here.delivered, *elsewhere]}
        return [read_answer(wrap, client, self.key) for wrap in wraps.values() if recipient_of(wrap) == client.key]

    async def waiting(self) -> list[str]:
        """Return the ids of the wraps that wait in the store for their answer."""
        entries = [entry for _, entry in await self.storage.inbox.waiting()]
        return [entry.wrap_id for entry in entries if isinstance(entry, InboxEntry)]

    @property
    def counts(self) -> Mapping[str, int]:
        """How often each event was emitted."""
        return self.core.counts.counts

    async def remaining(self, client: Client, limiter: str) -> int:
        """Return the permits that a client's account has left, without taking one."""
        found = await self.storage.accounts.find(client.key)
        assert found is not None, "no account"
        balances = await self.storage.permits.balances(found[0].number)
        bucket = self.core.buckets[limiter]
        return balances[limiter].worth_ms // bucket.refill_ms if limiter in balances else bucket.burst


def with_work(wrap: VerifiedEvent, bits: int, entropy: SeededEntropy) -> VerifiedEvent:
    """Return what a wrap says in one with so much work, signed by another one-time key."""
    secret = SecretKey(entropy.draw(32))
    opened = nip44.decrypt(wrap.content, nip44.conversation_key(BRIDGE, wrap.pubkey), max_payload=MAX_PAYLOAD)
    content = nip44.encrypt(opened, nip44.conversation_key(secret, BRIDGE.public_key), entropy.draw(32))
    tags = mine(
        secret.public_key,
        created_at=wrap.created_at,
        kind=wrap.kind,
        tags=wrap.tags,
        content=content,
        bits=bits,
        start=0,
        attempts=2 ** (bits + 8),
    )
    assert tags is not None, f"{bits} bits are too many"
    return sign_event(
        secret, created_at=wrap.created_at, kind=wrap.kind, tags=tags, content=content, aux=entropy.draw(32)
    )


def verified(text: str) -> VerifiedEvent:
    """Return an event that the storage kept."""
    event = parse_event(json.loads(text))
    return VerifiedEvent(event.id, event.pubkey, event.created_at, event.kind, event.tags, event.content, event.sig)


def settings_with(changes: Mapping[str, object] | None = None) -> Settings:
    """Return the default settings with some changed, named in full: `permits.turn.burst`."""
    settings = Settings()
    for name, value in (changes or {}).items():
        settings = _changed(settings, name.split("."), value)
    return settings


def _changed(table: Any, path: Sequence[str], value: object) -> Any:
    first, *rest = path
    return replace(table, **{first: _changed(getattr(table, first), rest, value) if rest else value})


def a_coturn(secret: bytes = COTURN_SECRET) -> CoturnProvider:
    """Return the provider that most bridges have."""
    return CoturnProvider(secret=secret, urls=TURN_URLS, ttl_seconds=86_400)


async def open_identity(storage: SqliteStorage) -> Identity:
    """Return the identity in a storage, made the first time; the bridge is `tests.support.wraps.BRIDGE`."""
    if await storage.secrets.get("bridge_key") is None:
        return await make_identity(storage.secrets, SeededEntropy("identity"), secret=BRIDGE)
    return await load_identity(storage.secrets)


@asynccontextmanager
async def a_storage(folder: Path) -> AsyncIterator[SqliteStorage]:
    """Open the storage in a folder."""
    storage = await open_storage(folder / "switchboard.db", _KEY_RING)
    try:
        yield storage
    finally:
        await storage.close()


@asynccontextmanager
async def a_pipeline(
    folder: Path,
    *,
    changes: Mapping[str, object] | None = None,
    clock: FixedClock | None = None,
    here: RecordingRelay | None = None,
    provider: TurnProvider | None = None,
    publishers: Mapping[str, ScriptedPublisher] | None = None,
    has_provider: bool = True,
    is_running: bool = True,
    run: int = 1,
) -> AsyncIterator[Pipeline]:
    """Start the pipeline of the bridge in a folder; leaving is a crash, nothing is finished or flushed.

    `changes` are settings by their full names. `run` counts the starts, so that no two draw the same randomness. Unless
    it `is_running`, wraps are accepted and wait. The provider is coturn's if none is given.
    """
    async with a_storage(folder) as storage, HttpClient() as http:
        identity = await open_identity(storage)
        settings = settings_with(
            {
                "turn.stun_urls": STUN_URLS,
                "turn.providers": (ProviderKind.COTURN,),
                "turn.coturn.urls": TURN_URLS,
                **(changes or {}),
            }
        )
        entropy = SeededEntropy(f"bridge {run}")
        clock, here, publishers = clock or FixedClock(), here or RecordingRelay(), publishers or {}
        conditions = Conditions()
        around = Surroundings(
            identity=identity,
            sealing=build_sealing(settings, identity.secret, clock=clock, entropy=entropy),
            storage=storage,
            clock=clock,
            entropy=entropy,
            catalogue=load_catalogue(),
            conditions=conditions,
            http=http,
            here=_as_deliverer(here),
            publishers=_as_publishers(publishers),
            own_url=lambda: OWN_URL,
            relays=partial(list, [OWN_URL, *publishers]),
            chain=ProviderChain(
                _chain_rules([provider or a_coturn()] if has_provider else [], settings, is_computed=provider is None),
                clock=clock,
                entropy=entropy,
                conditions=conditions,
            ),
        )
        core = build_core(settings, around)
        clients = SeededEntropy(f"clients {run}")
        with _noted_events() as notes:
            pipeline = Pipeline(
                core, storage, identity, clock, here, publishers, settings, notes.taken, clients, 1000 * run
            )
            await core.inbox.recover()
            await core.outbox.recover()
            await core.domains.recall()
            async with _working(core) if is_running else nullcontext():
                yield pipeline


def _chain_rules(providers: Sequence[TurnProvider], settings: Settings, *, is_computed: bool) -> ChainRules:
    figures = settings.turn.chain
    # What one account may have at once is the inbox's affair here.
    gate = GateRules(max_inside_each=GateRules().max_inside)
    each = SourceRules(provider_seconds=figures.provider_seconds, attempts=1, gate=gate)
    computed = frozenset(provider.name for provider in providers if is_computed)
    return ChainRules(tuple(providers), deadline_seconds=figures.deadline_seconds, each=each, computed=computed)


@contextmanager
def _noted_events() -> Iterator[EventNotes]:
    notes, log = EventNotes(), logging.getLogger("bridge.events")
    level = log.level
    log.addHandler(notes)
    log.setLevel(logging.INFO)
    try:
        yield notes
    finally:
        log.removeHandler(notes)
        log.setLevel(level)


@asynccontextmanager
async def _working(core: Core) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(part.run()) for part in (core.inbox, core.outbox, core.names)]
        try:
            yield
        finally:
            for task in running:
                task.cancel()


def _as_deliverer(here: Deliverer) -> Deliverer:
    """Have the type checker compare our relay with what the outbox expects."""
    return here


def _as_publishers(publishers: Mapping[str, Publisher]) -> Mapping[str, Publisher]:
    return publishers


def a_sealing(secret: SecretKey, clock: FixedClock, entropy: SeededEntropy) -> LocalSealing:
    """Return what opens and seals with a key, in this process."""
    return LocalSealing(secret, clock=clock, entropy=entropy, max_known_senders=10, unsigned_seals=True)

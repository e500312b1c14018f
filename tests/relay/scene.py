"""What a check has to work with: connections to the relay, fresh keys, good events, and what the relay takes."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from client.clock import SystemClock
from client.entropy import SystemEntropy, draw_key
from nips import nip44
from nips.event import Event, VerifiedEvent, sign_event
from nips.keys import SecretKey
from tests.relay.checks import CheckFailed, NotApplicable
from tests.relay.connection import Client
from tests.relay.target import PATIENCE, STORED_KINDS, Target, wait_of
from tests.relay.work import Tags, with_work

REPLACEABLE_KINDS = (10002, 10050, 0, 3)
# What makes an event of a kind a good one, whatever else it carries.
PROPER_TAGS: dict[int, Tags] = {
    10002: [("r", "wss://relay.example.org")],
    10050: [("relay", "wss://relay.example.org")],
    30078: [("d", "conformance")],
    5: [("e", "0" * 64), ("k", "1")],
}
CLOCK = SystemClock()
ENTROPY = SystemEntropy()


class Scene:
    """The surroundings of one check; whatever it opened is closed with it."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.log: list[str] = []
        """What was sent (→) and what came (←), on all connections."""
        self._open: list[ClientConnection] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(socket.close() for socket in self._open))

    # -- connections

    async def connect(self, *keys: SecretKey) -> Client:
        """Connect, and prove these keys; whether keys can be proved at all has checks of its own."""
        client = await self.connect_unproved()
        for number, key in enumerate([self.target.member, *keys] if self.target.member else keys):
            if self.target.no_auth:
                raise NotApplicable(f"no key can be proved here: {self.target.no_auth}")
            try:
                await client.authenticate(key)
            except CheckFailed as error:
                if number == 0:
                    raise
                raise NotApplicable(f"a second key cannot be proved on a connection: {error}") from None
        return client

    async def connect_as_recipient(self, *keys: SecretKey) -> Client:
        """Connect and prove these keys, or nothing where nothing can be proved and wraps may be for everybody."""
        return await (self.connect_unproved() if self.target.no_auth else self.connect(*keys))

    async def connect_unproved(self) -> Client:
        """Connect and prove nothing, whatever key was given for all connections."""
        try:
            async with asyncio.timeout(PATIENCE):
                socket = await self._let_in()
        except (OSError, TimeoutError, WebSocketException) as error:
            raise CheckFailed(f"the relay cannot be connected to: {error}") from None
        self._open.append(socket)
        return Client(socket, self.target, clock=CLOCK, log=self.log, label=f"#{len(self._open)}")

    async def _let_in(self) -> ClientConnection:
        while True:
            try:
                return await connect(
                    self.target.url,
                    compression=None,
                    ping_interval=None,
                    open_timeout=self.target.timeout,
                    # Nobody waits for a relay that does not answer our goodbye.
                    close_timeout=0.5,
                    max_size=None,
                )
            except InvalidStatus as error:
                if not (wait := wait_of(error.response.status_code, error.response.headers)):
                    raise
            await asyncio.sleep(wait)

    # -- events

    @property
    def now(self) -> int:
        """Seconds since the epoch."""
        return CLOCK.now()

    @property
    def soon(self) -> int:
        """A time a little ahead, where the relay allows that: what is of then is the newest, whoever else publishes."""
        allowed = self.target.limit("created_at_upper_limit")
        return self.now + (20 if allowed is None or allowed >= 60 else 0)

    def key(self) -> SecretKey:
        """Return a key that nobody has seen before."""
        return draw_key(ENTROPY)

    def text(self) -> str:
        """Return a word that nobody has used before."""
        return ENTROPY.draw(16).hex()

    def event(
        self,
        kind: int,
        author: SecretKey | None = None,
        *,
        tags: Tags = (),
        content: str | None = None,
        ago: int = 0,
        at: int | None = None,
    ) -> VerifiedEvent:
        """Return a good event of a kind, by its author or by somebody new, of now or so many seconds ago."""
        if content is None:
            content = "{}" if kind == 0 else f"a conformance check, {self.text()}"
        names = {tag[0] for tag in tags}
        tags = [*(tag for tag in PROPER_TAGS.get(kind, ()) if tag[0] not in names), *tags]
        author = author or self.key()
        created_at = self.now - ago if at is None else at
        if (bits := self.target.work) and "nonce" not in names:
            tags = with_work(author.public_key, created_at, kind, tags, content, bits=bits)
        return sign_event(author, created_at=created_at, kind=kind, tags=tags, content=content, aux=ENTROPY.draw(32))

    def wrap(
        self,
        to: SecretKey,
        *,
        kind: int = 1059,
        tags: Tags = (),
        ago: int = 0,
        at: int | None = None,
        author: SecretKey | None = None,
    ) -> VerifiedEvent:
        """Return a gift wrap whose content is encrypted as it should be; nothing proper is inside."""
        author = author or self.key()
        content = nip44.encrypt("nothing", nip44.conversation_key(author, to.public_key), ENTROPY.draw(32))
        return self.event(kind, author, tags=[("p", to.public_key), *tags], content=content, ago=ago, at=at)

    async def has_wrap(self, reader: Client, to: SecretKey, wrap: Event) -> bool:
        """Tell whether a recipient's connection finds a wrap, asked for as NIP-17's clients do."""
        return wrap.id in (await reader.request({"kinds": [wrap.kind], "#p": [to.public_key]})).ids

    async def until(self, moment: int) -> None:
        """Let the clock get past a second: what expires by the clock needs the clock."""
        await asyncio.sleep(max(0, moment - CLOCK.now_ms() / 1000))

    # -- what the relay takes

    def need_kind(self, *kinds: int) -> int:
        """Return the first of these kinds that the relay takes."""
        for kind in kinds:
            if kind not in self.target.refused:
                return kind
        words = "; ".join(f"kind {kind}: {self.target.refused[kind]}" for kind in kinds)
        raise NotApplicable(f"the relay does not take such events ({words})")

    def stored_kinds(self, amount: int = 1) -> list[int]:
        """Return kinds that are kept for everybody to read: a regular and a replaceable one, where there are both."""
        regular = [kind for kind in (1,) if kind in self.target.kept]
        replaceable = [kind for kind in REPLACEABLE_KINDS if kind in self.target.kept]
        found = [*regular, *replaceable[: max(1, amount - len(regular))]]
        if len(found) < amount:
            tried = ", ".join(map(str, STORED_KINDS))
            raise NotApplicable(f"of the kinds {tried} the relay keeps {len(found)} where {amount} are needed")
        return found

    def stored_kind(self) -> int:
        """Return one kind that is kept for everybody to read."""
        return self.stored_kinds()[0]

    def need_wraps(self, kind: int = 1059) -> None:
        """Go on only with a relay that takes gift wraps."""
        self.need_kind(kind)

    def need_nip(self, nip: int, *, shown: bool = False) -> None:
        """Go on only with a relay that follows a NIP: as it says, or where it says nothing, as it shows."""
        is_silent = not isinstance((self.target.information or {}).get("supported_nips"), list)
        if not self.target.claims(nip) and not (is_silent and shown):
            raise NotApplicable(f"the relay does not say that it follows NIP-{nip:02}")


def changed(event: Event, **changes: object) -> dict[str, object]:
    """Return an event as an object, with fields replaced, or left out where they are `...`."""
    return {name: value for name, value in {**event.to_dict(), **changes}.items() if value is not ...}

"""The addresses of TURN servers' names, known before they are asked for.

Only the first look-up of a name may keep a request waiting. After it whatever is known is told at once, also past its
time to live, while a new answer is on its way; a resolver that is dead is asked again after a while, and by nobody's
request. Look-ups belong to `run`: a request that is given up does not take them along.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bridge.conditions import Conditions
from bridge.settings.turn_names import AddressFamily as Family
from bridge.turn.addresses import Address, is_public, literal_address
from bridge.turn.resolver import Answers, Found, NotFound, look_up
from client.clock import Clock

log = logging.getLogger(__name__)

PART = "turn.names"
"""Under this name the names' troubles are reported."""


@dataclass(frozen=True, slots=True)
class NameRules:
    """The operator's decisions about names."""

    resolvers: Sequence[tuple[str, int]]
    """(address, port); none: the system's."""
    timeout_seconds: float
    min_cache_seconds: float
    max_cache_seconds: float
    stale_seconds: float
    """How long an answer is told beyond its time."""
    failure_seconds: float
    """How long a look-up that failed is not repeated."""
    max_names: int
    max_addresses: int
    """Of each family."""
    first_family: Family
    allow_private: bool
    expected: Sequence[str] = ()
    """Names that will be asked for; they are looked up at the start."""

    def allows(self, address: Address) -> bool:
        """Tell whether clients may be sent to an address that stands in the DNS."""
        if self.allow_private:
            return not (address.is_unspecified or address.is_multicast)
        return is_public(address)


@dataclass(frozen=True, slots=True)
class _Held:
    """One family's last answer."""

    addresses: tuple[Address, ...]
    until: float
    """When it is too old even for want of a better one."""


@dataclass(slots=True)
class _Entry:
    """What is known of a name; times are of the monotonic clock."""

    held: dict[Family, _Held] = field(default_factory=dict)
    allowed: dict[Family, tuple[Address, ...]] = field(default_factory=dict)
    ask_at: float = 0
    tried_at: float | None = None
    under_way: asyncio.Event | None = None
    """Set when the look-up that runs is over."""
    trouble: str | None = None


class Names:
    """A cache of host names' addresses that does not keep anybody waiting."""

    def __init__(self, rules: NameRules, clock: Clock, conditions: Conditions) -> None:
        self._rules = rules
        self._clock = clock
        self._conditions = conditions
        self._entries: dict[str, _Entry] = {}
        self._wanted: asyncio.Queue[str] = asyncio.Queue()

    def adopt(self, rules: NameRules) -> None:
        """Go by other rules from now on. What is known stays known, as far as they allow it."""
        self._rules = rules
        for entry in self._entries.values():
            self._sift(entry)
        self._expect(rules.expected)

    async def run(self) -> None:
        """Look names up as they are wanted, each once at a time."""
        self._expect(self._rules.expected)
        async with asyncio.TaskGroup() as look_ups:
            while True:
                name = await self._wanted.get()
                look_ups.create_task(self._refresh(name, self._entries[name]))

    async def addresses_of(self, host: str) -> tuple[Address, ...]:
        """Return the addresses of a host that clients may be told, none if none are known.

        Waits only for the first look-up of a name, and no longer than `timeout_seconds`.
        """
        if (address := literal_address(host)) is not None:
            return (address,)
        rules, now = self._rules, self._clock.monotonic()
        entry = self._want(host)
        if entry is None:
            return ()
        known = self._known(entry, now)
        is_first = entry.tried_at is None or now - entry.tried_at > rules.stale_seconds + rules.failure_seconds
        if known or entry.under_way is None or not is_first:
            return known
        try:
            async with asyncio.timeout(rules.timeout_seconds):
                await entry.under_way.wait()
        except TimeoutError:
            return ()
        return self._known(entry, self._clock.monotonic())

    def _expect(self, names: Iterable[str]) -> None:
        for name in names:
            if literal_address(name) is None:
                self._want(name)

    def _want(self, host: str) -> _Entry | None:
        """Return what is known of a name, and have it looked up when it is time; None when there is no room for it."""
        name = host.lower().removesuffix(".")
        entry = self._entries.pop(name, None)
        if entry is None and not self._make_room():
            return None
        # Taken out and put in, so that the name used longest ago is always the first.
        entry = self._entries[name] = entry or _Entry()
        if entry.under_way is None and self._clock.monotonic() >= entry.ask_at:
            entry.under_way = asyncio.Event()
            self._wanted.put_nowait(name)
        return entry

    def _make_room(self) -> bool:
        while len(self._entries) >= self._rules.max_names:
            idle = next((name for name, entry in self._entries.items() if entry.under_way is None), None)
            if idle is None:
                return False
            if self._entries.pop(idle).trouble:
                self._report()
        return True

    async def _refresh(self, name: str, entry: _Entry) -> None:
        rules = self._rules
        try:
            answers = await look_up(name, resolvers=rules.resolvers, timeout_seconds=rules.timeout_seconds)
            self._take(entry, answers)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end the bridge, nor go unseen
            kind = type(error).__name__
            log.error("looking a name up failed", extra={"facts": {"error": kind}})
            self._take(entry, dict.fromkeys(Family, NotFound(f"a fault of ours, {kind}")))
        finally:
            over, entry.under_way = entry.under_way, None
            if over is not None:
                over.set()

    def _take(self, entry: _Entry, answers: Answers) -> None:
        rules, now = self._rules, self._clock.monotonic()
        entry.tried_at = now
        good = [rules.max_cache_seconds]
        for family, answer in answers.items():
            if isinstance(answer, NotFound):
                good.append(rules.failure_seconds)
            else:
                seconds = min(max(answer.valid_seconds, rules.min_cache_seconds), rules.max_cache_seconds)
                good.append(seconds)
                entry.held[family] = _Held(answer.addresses, now + seconds + rules.stale_seconds)
        entry.ask_at = now + min(good)
        self._sift(entry)
        entry.trouble = _trouble(entry, answers)
        self._report()

    def _sift(self, entry: _Entry) -> None:
        entry.allowed = {
            family: tuple(filter(self._rules.allows, held.addresses))[: self._rules.max_addresses]
            for family, held in entry.held.items()
        }

    def _known(self, entry: _Entry, now: float) -> tuple[Address, ...]:
        order = sorted(Family, key=lambda family: family is not self._rules.first_family)
        return tuple(
            address
            for family in order
            if family in entry.held and now <= entry.held[family].until
            for address in entry.allowed[family]
        )

    def _report(self) -> None:
        troubles = [f"{name}: {entry.trouble}" for name, entry in self._entries.items() if entry.trouble]
        further = f"; and {len(troubles) - 1} more" if len(troubles) > 1 else ""
        self._conditions.set(PART, f"{troubles[0]}{further}" if troubles else None)


def _trouble(entry: _Entry, answers: Answers) -> str | None:
    """Return why a look-up brought nothing that clients can be told; None when it brought something."""
    found = [family for family, answer in answers.items() if isinstance(answer, Found)]
    if any(entry.allowed[family] for family in found):
        return None
    if any(entry.held[family].addresses for family in found):
        return "only private or special addresses; if clients can reach them, set turn.names.allow_private"
    failed = [answer.reason for answer in answers.values() if isinstance(answer, NotFound)]
    return failed[0] if failed else "no addresses"

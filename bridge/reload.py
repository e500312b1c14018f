"""Taking up changed settings while requests go on: all of them or none.

First the file is read and every part's rules are made of it, which may be refused and changes nothing. Only then does
every part adopt its rules, in one go that no request comes between.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from bridge.errors import StartupError
from bridge.settings.live import differences
from bridge.settings.problems import MAX_SHOWN
from bridge.settings.tree import Settings

log = logging.getLogger(__name__)

Rules = TypeVar("Rules")


@dataclass(frozen=True, slots=True)
class LivePart(Generic[Rules]):
    """A part that can go by other settings without a restart."""

    build: Callable[[Settings], Rules]
    """Makes the part's rules of settings, in any thread, or raises `StartupError`; changes nothing."""
    adopt: Callable[[Rules], None]
    """Goes by other rules from the next request on; cannot fail, and keeps balances, breakers and caches."""

    def prepare(self, settings: Settings) -> Callable[[], None]:
        """Return what is left to do once every part has made its rules; raise `StartupError`."""
        return partial(self.adopt, self.build(settings))


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload changed. Secret files that the settings name were read again too."""

    changed: Sequence[str]
    """Keys with a new value that counts from now on, and those that name a secret file with another content."""
    waiting: Sequence[str]
    """Keys whose value counts from the next start on."""


class ReloadRefused(StartupError):
    """Nothing was changed; every problem found is here."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(problems)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(self.problems)


class Reloader:
    """Reads the settings again, one reload at a time."""

    def __init__(
        self,
        read: Callable[[], Settings],
        running: Settings,
        parts: Sequence[LivePart[Any]],
        *,
        secrets: Callable[[Settings], Mapping[str, bytes]] = lambda _: {},
    ) -> None:
        """Start from what runs; `secrets` tells contents of secret files apart, by the key that names them."""
        self._read = read
        self._secrets = secrets
        self._digests = secrets(running)
        self._started_with = running
        self._adopted = running
        self._parts = list(parts)
        self._consequences: list[Callable[[Settings, Settings], Awaitable[None]]] = []
        self._turn = asyncio.Lock()

    @property
    def settings(self) -> Settings:
        """The settings that were adopted last; of those that are not live, the ones of the start count."""
        return self._adopted

    def add(self, part: LivePart[Any]) -> None:
        """Have a part that was made later go by what is read, too."""
        self._parts.append(part)

    def follow_up(self, work: Callable[[Settings, Settings], Awaitable[None]]) -> None:
        """Have done after each adoption what takes waiting; it gets the settings before and after, and cannot fail."""
        self._consequences.append(work)

    async def reload(self) -> Reloaded:
        """Adopt what the file says now, or raise `ReloadRefused`: then everything stays as it was."""
        async with self._turn:
            try:
                settings, adoptions, digests = await asyncio.to_thread(self._prepare)
            except ReloadRefused as refused:
                log.error("settings refused, the old ones stay", extra={"facts": {"problems": refused.problems}})
                raise
            for adopt in adoptions:
                adopt()
            reloaded = self._compare(settings, digests)
            self._digests = digests
            before, self._adopted = self._adopted, settings
            for work in self._consequences:
                await work(before, settings)
        facts = {"changed": reloaded.changed, "after_restart": reloaded.waiting}
        log.info("settings read again", extra={"facts": facts})
        return reloaded

    def _prepare(self) -> tuple[Settings, Sequence[Callable[[], None]], Mapping[str, bytes]]:
        """Make everything that can be refused; reading and checking may take a while, so not in the event loop."""
        try:
            settings = self._read()
        except StartupError as error:
            raise ReloadRefused(str(error).splitlines()) from None
        adoptions, problems = [], []
        for part in self._parts:
            try:
                adoptions.append(part.prepare(settings))
            except StartupError as error:
                problems += str(error).splitlines()
        digests: Mapping[str, bytes] = {}
        try:
            digests = self._secrets(settings) if not problems else {}
        except StartupError as error:
            problems += str(error).splitlines()
        if problems:
            raise ReloadRefused(problems[:MAX_SHOWN])
        return settings, adoptions, digests

    def _compare(self, settings: Settings, digests: Mapping[str, bytes]) -> Reloaded:
        changed = [one.key for one in differences(self._adopted, settings) if one.is_live]
        known = self._digests.keys() & digests.keys() - {*changed}
        changed += [key for key in digests if key in known and digests[key] != self._digests[key]]
        return Reloaded(changed, [one.key for one in differences(self._started_with, settings) if not one.is_live])

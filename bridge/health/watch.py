"""Watches over the bridge: sees what is wrong, makes incidents of it, and has the operator told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from bridge.conditions import Conditions
from bridge.health.incidents import Change, FaultWindow, Incident
from bridge.health.memory import IncidentMemory, Told
from bridge.health.notices import Notice, NoticeRules, down_text, ended_text, faults_text
from bridge.tallies import RequestTallies
from client.clock import Clock
from client.status import RelayStatus

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 5.0
REQUESTS: Final = "requests"
"""Name of the incident that too many requests fail; parts never have this one."""

ANSWERS: Final = "answers"
"""Name of the condition that answers cannot be stored or sealed."""

UNLINKED_ATTEMPTS: Final = 3
"""Attempts to link a relay that fail before it counts as degraded."""


class Link(Protocol):
    """A connection to a relay that is not ours."""

    @property
    def status(self) -> RelayStatus:
        """How it goes."""
        ...


class Watch:
    """Looks every few seconds."""

    def __init__(
        self,
        rules: NoticeRules,
        *,
        tallies: RequestTallies,
        conditions: Conditions,
        links: Mapping[str, Link],
        memory: IncidentMemory,
        tell: Callable[[Notice], None],
        clock: Clock,
    ) -> None:
        """Take up the incidents in the memory; `tell` has a notice sent, some time."""
        self._rules = rules
        self._tallies = tallies
        self._conditions = conditions
        self._links = links
        self._memory = memory
        self._tell = tell
        self._clock = clock
        self._window = FaultWindow()
        self._put_off = self._answered = 0
        self._incidents = {name: Incident(is_open=True, returns=told.returns) for name, told in memory.told.items()}
        self._began_at = {name: told.began_at for name, told in memory.told.items()}

    @property
    def open_incidents(self) -> Mapping[str, int | None]:
        """The incidents that are not over, with when each began."""
        return {name: self._began_at.get(name) for name, one in self._incidents.items() if one.is_open}

    def adopt(self, rules: NoticeRules) -> None:
        """Judge by other rules from now on."""
        self._rules = rules

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """See how everything is now."""
        self._look_at_links()
        self._look_at_answers()
        self._look_at_requests()
        down = self._conditions.down
        for name in {*self._incidents, *down} - {REQUESTS}:
            incident = self._incidents.setdefault(name, Incident())
            change = incident.observe(name in down, self._clock.monotonic(), self._rules.down)
            if change is Change.BEGAN:
                self._began(name, down_text(self._rules, name, down[name]))
            elif change is Change.ENDED:
                self._ended(name)
        self._incidents = {name: one for name, one in self._incidents.items() if not one.is_forgettable}

    def delivered(self, notice: Notice) -> None:
        """Remember over a restart what the operator knows."""
        if notice.change is Change.ENDED:
            self._memory.drop(notice.incident)
        elif (incident := self._incidents.get(notice.incident)) is not None:
            self._memory.keep(notice.incident, Told(notice.at, incident.returns))

    def _look_at_requests(self) -> None:
        now, rules = self._clock.monotonic(), self._rules
        ended, faults = self._window.add(
            now, ended=self._tallies.judged, faults=self._tallies.own_faults, window_seconds=rules.window_seconds
        )
        incident = self._incidents.setdefault(REQUESTS, Incident())
        is_bad = rules.is_too_much(ended, faults, is_open=incident.is_open)
        change = incident.observe(is_bad, now, rules.faults)
        if change is Change.BEGAN:
            self._began(REQUESTS, faults_text(rules, ended, faults))
        elif change is Change.ENDED:
            self._ended(REQUESTS)

    def _look_at_answers(self) -> None:
        """See whether requests are put off; being tried again and again, they tell when it is over."""
        put_off, answered = self._tallies.deferred, self._tallies.ended - self._tallies.deferred
        if put_off > self._put_off:
            problem = "they are put off: see the disk and its room, and `answer not stored` in the log"
            self._conditions.set(ANSWERS, problem, is_down=True)
        elif answered > self._answered:
            self._conditions.set(ANSWERS, None)
        self._put_off, self._answered = put_off, answered

    def _look_at_links(self) -> None:
        for url, link in self._links.items():
            status = link.status
            is_lost = status.connected_since is None and status.failures >= UNLINKED_ATTEMPTS
            problem = f"not linked ({status.last_error}): see whether it is up, and upstream.relays right"
            self._conditions.set(f"relay {url}", problem if is_lost else None)

    def _began(self, name: str, text: str) -> None:
        now = self._began_at[name] = self._clock.now()
        log.error("incident", extra={"facts": {"part": name}})
        self._tell(Notice(name, Change.BEGAN, now, text))

    def _ended(self, name: str) -> None:
        log.info("incident over", extra={"facts": {"part": name}})
        began_at = self._began_at.pop(name, None)
        self._tell(Notice(name, Change.ENDED, self._clock.now(), ended_text(self._rules, name, began_at)))

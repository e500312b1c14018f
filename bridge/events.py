"""Events of the bridge (protocol.md §5): what operators count and watch.

An event names an account only by its pseudonym, and carries nothing that the catalogue does not list.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Protocol

from bridge.pseudonyms import Pseudonyms
from protocol.catalogue import Catalogue

log = logging.getLogger(__name__)


class EventSink(Protocol):
    """Somebody who wants to know."""

    def record(self, name: str, payload: Mapping[str, object]) -> None:
        """Take note of one event."""
        ...


class LogSink:
    """Writes events to the log."""

    def record(self, name: str, payload: Mapping[str, object]) -> None:
        """Write one line."""
        log.info(name, extra={"facts": dict(payload)})


class CountingSink:
    """Counts events by name; there are only as many names as the catalogue has."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def record(self, name: str, payload: Mapping[str, object]) -> None:
        """Count one."""
        self.counts[name] += 1


class Events:
    """Checks events against the catalogue and passes them to every sink."""

    def __init__(self, catalogue: Catalogue, pseudonyms: Pseudonyms, sinks: tuple[EventSink, ...]) -> None:
        self._catalogue = catalogue
        self._pseudonyms = pseudonyms
        self._sinks = sinks

    def emit(self, name: str, *, account: str | None = None, **facts: object) -> None:
        """Record an event; `account` is a public key and becomes the pseudonym `account_id`."""
        payload = dict(facts)
        if account is not None:
            payload["account_id"] = self._pseudonyms.of_account(account)
        if set(payload) != set(self._catalogue.event(name).payload):
            raise ValueError(f"{name} carries exactly {sorted(self._catalogue.event(name).payload)}")
        for sink in self._sinks:
            sink.record(name, payload)

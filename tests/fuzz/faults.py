"""Faults of ours that no client is told of: what the program logs as an error while it is under attack."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from tests.fuzz.judging import Finding

# Not that of `websockets`, which the program silences: it reports as its own errors what hostile peers do to it.
_LOGS = ("bridge", "client", "storage", "asyncio")


class _Faults(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(f"{record.name}: {self.format(record)} {getattr(record, 'facts', '')}")


@contextmanager
def no_faults() -> Iterator[None]:
    """Raise `Finding` in the end when an error was logged meanwhile."""
    faults = _Faults()
    for name in _LOGS:
        logging.getLogger(name).addHandler(faults)
    try:
        yield
    finally:
        for name in _LOGS:
            logging.getLogger(name).removeHandler(faults)
    if faults.said:
        raise Finding(f"{len(faults.said)} faults are logged, the first: {faults.said[0]}")

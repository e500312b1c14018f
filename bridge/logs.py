"""The log: one line an event, for people on a terminal and for machines elsewhere.

A line has a time, a level, where it comes from, a fixed message and facts. Facts are what the caller passes as
`extra={"facts": {...}}`; they hold pseudonyms, prefixes of ids and counts, never content, keys, addresses or secrets.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import TextIO

from bridge.settings.upkeep import LogFormat, LogLevel, LogSettings

_LIBRARIES = {"websockets": "CRITICAL", "aiosqlite": "CRITICAL", "asyncio": "ERROR"}
"""Below these levels they name what has no place in our log: addresses of peers, values of queries, arguments."""

_COLOURS = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "31;1"}


_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            **_facts(record),
        }
        return _ENCODER.encode(line)


class TextFormatter(logging.Formatter):
    """Words for people; colours only where somebody sees them."""

    def __init__(self, *, colours: bool) -> None:
        super().__init__()
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        facts = "".join(f"  {name}={_printable(value)}" for name, value in _facts(record).items())
        level = f"{record.levelname.lower():<7}"
        if self._colours:
            level = f"\033[{_COLOURS.get(record.levelname, '0')}m{level}\033[0m"
            facts = f"\033[2m{facts}\033[0m" if facts else ""
        return f"{_time(record)[11:19]}  {level}  {_printable(_message(record))}{facts}"


def set_up_logging(settings: LogSettings, stream: TextIO = sys.stderr) -> None:
    """Send the log to a stream in the form that the settings ask for."""
    terminal = stream.isatty()
    as_json = settings.format is LogFormat.JSON or (settings.format is LogFormat.AUTO and not terminal)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter(colours=terminal))
    # None of these is in a line of ours, and each is looked up for every one.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers = [handler]
    set_level(settings.level)
    for library, level in _LIBRARIES.items():
        logging.getLogger(library).setLevel(level)


def set_level(level: LogLevel) -> None:
    """Log from this level on."""
    logging.getLogger().setLevel(level.value.upper())


def where(error: BaseException) -> dict[str, str]:
    """Return what a log may say about an unexpected error: its class and the line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else "unknown"
    return {"error": type(error).__name__, "at": place}


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _message(record: logging.LogRecord) -> str:
    # What libraries write on further lines are texts of errors and arguments, which may quote anything.
    return record.getMessage().partition("\n")[0]


def _facts(record: logging.LogRecord) -> dict[str, object]:
    facts = getattr(record, "facts", None)
    known = facts if isinstance(facts, dict) else {}
    error = record.exc_info[1] if record.exc_info else None
    return {**known, **where(error)} if error else known


def _printable(value: object) -> str:
    # Terminals obey invisible characters, and a fact may hold another relay's words.
    text = str(value)
    return text if text.isprintable() else json.dumps(text)

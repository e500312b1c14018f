"""Tables about the machine: storage, log, stopping."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bridge.settings import forms
from bridge.settings.keys import choice, file_name, number


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a line of the log looks."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Where everything durable lies."""

    file: str = file_name("switchboard.db", "Database file.", form=forms.file)
    key_file: str = file_name(
        "storage.key", "File with the key that encrypts the database. Keep a copy.", form=forms.file
    )
    max_queue: int = number(
        10_000, "Writes that may wait; beyond that new work is refused for the moment.", least=1, most=10_000_000
    )
    max_batch: int = number(500, "Writes that are gathered into one commit.", least=1, most=100_000)
    readers: int = number(
        2, "Connections that read what clients ask for; the bridge has one of its own.", least=1, most=64
    )
    max_bytes: int = number(
        4_294_967_296,
        "Size of the database beyond which no more wraps and public events of others are kept.",
        least=1_048_576,
        most=8_796_093_022_208,
    )
    reserve_bytes: int = number(
        1_073_741_824,
        "How much it may grow above that for requests to the bridge, accounts and answers; there it ends.",
        least=1_048_576,
        most=8_796_093_022_208,
    )
    max_log_bytes: int = number(
        67_108_864,
        "Length of its write-ahead log beyond which writing waits for reading; what is still too long counts above.",
        least=1_048_576,
        most=8_796_093_022_208,
    )
    max_read_steps: int = number(
        1_000_000,
        "Steps of SQLite's machine after which a read for a client is broken off; some millions make a second.",
        least=1000,
        most=1_000_000_000,
    )
    max_erased_keys: int = number(
        200_000,
        "Keys of deleted accounts of which nothing older is taken again; the one deleted first is forgotten first.",
        least=100,
        most=100_000_000,
    )
    max_revoked_each: int = number(
        100,
        "Revoked devices of one account that stay refused; the one revoked first is forgotten first.",
        least=1,
        most=100_000,
    )
    max_blocked_keys: int = number(100_000, "Keys that can be blocked by command.", least=1, most=100_000_000)
    purge_interval_seconds: float = number(300, "Time between clearings of what has expired.", least=1, most=86400)


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is written about the running bridge."""

    level: LogLevel = choice(LogLevel.INFO, "Least serious message that is logged.", is_live=True)
    format: LogFormat = choice(LogFormat.AUTO, "Form of a line; auto: text on a terminal, json elsewhere.")


@dataclass(frozen=True, slots=True)
class StopSettings:
    """How the bridge stops."""

    grace_seconds: float = number(10, "Time to finish what was accepted after SIGTERM or SIGINT.", least=0, most=600)

"""The database: whole, of the right schema, and with room in it and on its disk. Read only."""

from __future__ import annotations

import asyncio
import shutil
import threading

from bridge.doctor.examination import Findings
from bridge.doctor.findings import Finding, ok, problem, warning
from bridge.doctor.subject import Subject
from bridge.settings.upkeep import StorageSettings
from storage.errors import StorageError
from storage.examination import FileState, examine_file

FAMILY = "database"
DISK = "disk"

_FULL_STATES = (
    (1.0, "wraps and public events of others are refused"),
    (0.75, "wraps for keys without an account are refused"),
    (0.5, "wraps for keys without an account are kept for a shorter time"),
)
"""What happens from which part of `storage.max_bytes` on."""


async def check_database(subject: Subject) -> Findings:
    """Have SQLite look over the file, compare its schema with ours, and both of their sizes with the disk."""
    storage = subject.settings.storage
    path = subject.home.path / storage.file
    is_wanted = threading.Event()
    is_wanted.set()
    # It ends before the deadline of the whole check, so that what else is known is told.
    timer = asyncio.get_running_loop().call_later(2 * subject.patience_seconds, is_wanted.clear)
    try:
        state = await asyncio.to_thread(examine_file, path, goes_on=is_wanted.is_set)
    except StorageError as error:
        yield problem(FAMILY, storage.file, str(error), "name the right file in storage.file, or restore a backup")
        return
    finally:
        timer.cancel()
        is_wanted.clear()
    yield wholeness(storage.file, state)
    yield schema(storage.file, state)
    yield room(storage, state)
    free_bytes = shutil.disk_usage(path.parent).free
    yield disk(str(path.parent), storage, state, free_bytes=free_bytes)


def wholeness(name: str, state: FileState) -> Finding:
    """Judge what the quick check found."""
    if state.faults:
        found = f"is damaged: {state.faults[0]}"
        return problem(FAMILY, name, found, "stop the bridge, keep a copy of the file, and restore a backup")
    if not state.is_complete:
        found = "is too large to be looked over in this time; nothing wrong so far"
        return warning(FAMILY, name, found, "give more time with --patience")
    return ok(FAMILY, name, "is whole")


def schema(name: str, state: FileState) -> Finding:
    """Judge the schema's version."""
    if state.version > state.newest:
        found = f"has schema version {state.version}, and this program knows versions up to {state.newest}"
        return problem(FAMILY, name, found, "run the newer program that wrote it, or restore a backup")
    if state.version < state.newest:
        found = (
            f"has schema version {state.version}; the next start brings it to {state.newest}, and there is no way back"
        )
        return warning(
            FAMILY, name, found, "copy it (with -wal and -shm, while the bridge is stopped) before you start"
        )
    return ok(FAMILY, name, f"has schema version {state.version}")


def room(storage: StorageSettings, state: FileState) -> Finding:
    """Judge how much of its bound the database takes."""
    taken = state.taken_bytes + max(0, state.log_bytes - storage.max_log_bytes)
    part = taken / storage.max_bytes
    shown = f"takes {size(taken)} of {size(storage.max_bytes)} (storage.max_bytes)"
    for bound, consequence in _FULL_STATES:
        if part >= bound:
            fix = "raise storage.max_bytes, or lower wraps.retention_seconds or wraps.quota_per_recipient"
            judge = problem if bound == 1.0 else warning
            return judge(FAMILY, storage.file, f"{shown}: {consequence}", fix)
    return ok(FAMILY, storage.file, shown)


def disk(folder: str, storage: StorageSettings, state: FileState, *, free_bytes: int) -> Finding:
    """Judge whether the disk has what the database may still take."""
    taken = state.taken_bytes + state.log_bytes
    in_all = storage.max_bytes + storage.reserve_bytes + storage.max_log_bytes
    wanted = max(0, in_all - taken)
    shown = f"{size(free_bytes)} free"
    if free_bytes < storage.reserve_bytes and free_bytes < wanted:
        found = (
            f"{shown}, less than the bridge keeps for itself (storage.reserve_bytes = {size(storage.reserve_bytes)})"
        )
        return problem(
            DISK, folder, found, "make room on this disk, or lower storage.max_bytes and storage.reserve_bytes"
        )
    if free_bytes < wanted:
        found = f"{shown}, and the database may take {size(wanted)} more: the disk ends before it does"
        fix = f"lower storage.max_bytes to at most {storage.max_bytes - (wanted - free_bytes)}, or make room"
        return warning(DISK, folder, found, fix)
    return ok(DISK, folder, f"{shown}; the database may take {size(wanted)} more")


def size(number: int) -> str:
    """Return a number of bytes as people read it."""
    value, unit = float(number), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"

"""Looking at a database without writing, also while it is used."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from bridge.home import Home
from storage.errors import StorageFailed, StorageMissing
from storage.examination import MAX_FAULTS, examine_file
from storage.migration import load_migrations
from tests.support.bridges import a_home, bridge_settings


def always() -> bool:
    return True


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    await a_home(tmp_path, bridge_settings())
    return tmp_path / "switchboard.db"


async def test_fresh_database_is_whole_and_of_the_newest_schema(file: Path) -> None:
    state = examine_file(file, goes_on=always)
    assert state.faults == []
    assert state.is_complete
    assert state.version == state.newest == load_migrations()[-1].version
    assert 0 < state.taken_bytes <= file.stat().st_size


async def test_file_stays_as_it_is(file: Path) -> None:
    before = file.read_bytes()
    examine_file(file, goes_on=always)
    assert file.read_bytes() == before


async def test_database_in_use_is_looked_at_with_its_log(file: Path) -> None:
    storage = await Home(file.parent).open_storage(bridge_settings(), {})
    try:
        await storage.secrets.put("one", b"more")
        state = examine_file(file, goes_on=always)
        await storage.secrets.put("and", b"another")
    finally:
        await storage.close()
    assert state.is_complete
    assert state.log_bytes > 0


def make_large(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute(
        "CREATE TABLE many AS "
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200000) SELECT i FROM n"
    )
    connection.commit()
    connection.close()


async def test_damage_is_named_and_only_so_often(file: Path) -> None:
    make_large(file)
    raw = bytearray(file.read_bytes())
    pages = len(raw) // 4096
    for page in range(pages - 20, pages):
        raw[page * 4096 : page * 4096 + 100] = b"\xff" * 100
    file.write_bytes(raw)
    state = examine_file(file, goes_on=always)
    assert 0 < len(state.faults) <= MAX_FAULTS


async def test_look_ends_when_it_is_no_longer_wanted(file: Path) -> None:
    make_large(file)
    state = examine_file(file, goes_on=lambda: False)
    assert not state.is_complete
    assert state.faults == []


def test_no_file_and_no_database_are_two_things(tmp_path: Path) -> None:
    with pytest.raises(StorageMissing):
        examine_file(tmp_path / "none.db", goes_on=always)
    (tmp_path / "text.db").write_text("not a database at all\n" * 100)
    with pytest.raises(StorageFailed):
        examine_file(tmp_path / "text.db", goes_on=always)

"""Loads count honestly, on the real program: everything asked is answered once, everything published is stored."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from bench.machine import Cores
from bench.program import Program
from bench.publishing import EVENT_BYTES, NotStored, publish, wraps
from bench.turn import Miscounted, askers
from client.entropy import draw_key
from nips import kinds
from tests.support.entropy import SeededEntropy

RECIPIENT = draw_key(SeededEntropy("recipient")).public_key


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("bench")
    with Program(folder / "home", cores=Cores.of_this_machine().measured) as running:
        yield running


def count(program: Program, table: str) -> int:
    with closing(sqlite3.connect(f"file:{program.database}?mode=ro", uri=True)) as database:
        return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


@pytest.mark.parametrize("kind", [kinds.GIFT_WRAP, kinds.EPHEMERAL_GIFT_WRAP])
def test_every_request_is_recorded_and_answered_once(program: Program, kind: int) -> None:
    before = count(program, "responses")
    with askers(program, 4, connections=2) as crowd:
        rates = crowd.run(12, kind=kind, window=3)
    assert rates.requests == 12
    assert count(program, "responses") - before == 12


def test_what_was_not_sent_in_time_is_not_counted(program: Program) -> None:
    before = count(program, "responses")
    with askers(program, 2, connections=1) as crowd:
        rates = crowd.run(12, kind=kinds.GIFT_WRAP, window=3, seconds=0)
        assert rates.requests == 3
        assert crowd.run(2, kind=kinds.GIFT_WRAP).requests == 2
    assert count(program, "responses") - before == 5


def test_answer_that_comes_twice_gives_no_figure(program: Program) -> None:
    with askers(program, 1) as crowd:
        for channel in crowd.channels:
            channel.say("REQ", "again", {"kinds": [kinds.EPHEMERAL_GIFT_WRAP]})
            channel.wait_for("EOSE")
        with pytest.raises(Miscounted):
            crowd.run(3, kind=kinds.EPHEMERAL_GIFT_WRAP)


def test_every_published_wrap_is_stored(program: Program) -> None:
    before = count(program, "gift_wraps")
    events = wraps(12, [RECIPIENT])
    assert publish(program.url, events).done == 12
    assert count(program, "gift_wraps") - before == 12
    assert all(abs(len(event.to_json()) - EVENT_BYTES) < EVENT_BYTES * 0.02 for event in events)


def test_refused_wrap_gives_no_figure(program: Program) -> None:
    events = wraps(3, [RECIPIENT])
    with pytest.raises(NotStored):
        publish(program.url, [*events, events[0]], connections=1)

"""Who waits for a wrap is told once."""

from __future__ import annotations

import asyncio

from bridge.waiting import Fate, Waiting
from nips.event import parse_event, verify_event
from tests.support.wraps import a_rumor, a_seal, a_wrap


def waiting() -> Waiting:
    wrap = verify_event(parse_event(a_wrap(a_seal(a_rumor()))))
    return Waiting(wrap, "here", received_at=1, since=1.0, is_kept=False)


async def test_who_waits_is_told_the_first_word_and_no_other() -> None:
    one, loop = waiting(), asyncio.get_running_loop()
    one.fate = loop.create_future()
    one.tell(Fate.LATE)
    one.tell(Fate.DONE)
    assert one.fate.result() is Fate.LATE


async def test_nobody_is_told_of_what_was_kept_first() -> None:
    one = waiting()
    one.tell(Fate.DONE)
    assert one.fate is None
    assert not one.hold()


async def test_who_waits_can_be_held_until_they_are_told() -> None:
    one, loop = waiting(), asyncio.get_running_loop()
    one.fate, one.patience = loop.create_future(), loop.call_later(1000, one.tell, Fate.LATE)
    assert one.hold()
    assert one.patience.cancelled()
    one.tell(Fate.DONE)
    assert not one.hold()


def test_a_wrap_is_known_by_its_link_too() -> None:
    one = waiting()
    assert one.id == (one.wrap.id, "here")

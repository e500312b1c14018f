"""Ids remembered for a while."""

from __future__ import annotations

from bridge.relay.seen import SeenIds


def test_id_is_remembered_until_its_time() -> None:
    seen = SeenIds(maximum=10)
    assert not seen.has("a", 100)
    seen.remember("a", until=110, now=100)
    assert seen.has("a", 109)
    assert not seen.has("a", 110)


def test_no_more_ids_are_remembered_than_the_maximum() -> None:
    seen = SeenIds(maximum=3)
    for number in range(50):
        seen.remember(str(number), until=200, now=100)
    assert len(seen) == 3
    assert [number for number in range(50) if seen.has(str(number), 100)] == [47, 48, 49]


def test_ids_whose_time_is_over_make_room() -> None:
    seen = SeenIds(maximum=10)
    for number in range(5):
        seen.remember(str(number), until=110, now=100)
    seen.remember("later", until=300, now=200)
    assert len(seen) == 1


def test_id_remembered_anew_lives_longer() -> None:
    seen = SeenIds(maximum=2)
    seen.remember("a", until=110, now=100)
    seen.remember("b", until=300, now=100)
    seen.remember("a", until=300, now=100)
    seen.remember("c", until=300, now=100)
    assert seen.has("a", 200)
    assert not seen.has("b", 200)


def test_id_of_the_past_is_not_kept() -> None:
    seen = SeenIds(maximum=2)
    seen.remember("a", until=100, now=100)
    assert len(seen) == 0

"""What one key may have of the workers."""

from __future__ import annotations

from bridge.askers import Askers, Seat


def an_asker(amount: int, *, at_once: int = 2, waiting: int = 3) -> tuple[Askers[int], list[Seat]]:
    askers = Askers[int](at_once_each=at_once, waiting_each=waiting)
    return askers, [askers.enter("alice", number) for number in range(amount)]


def test_so_many_are_worked_on_so_many_wait_and_the_rest_is_refused() -> None:
    askers, seats = an_asker(7)
    assert seats == [Seat.TAKEN] * 2 + [Seat.WAITS] * 3 + [Seat.REFUSED] * 2
    assert askers.waiting == 3


def test_one_key_takes_nothing_from_another() -> None:
    askers, _ = an_asker(7)
    assert askers.enter("bob", 1) is Seat.TAKEN


def test_who_leaves_gives_the_seat_to_the_one_that_waits_longest() -> None:
    askers, _ = an_asker(7)
    assert [askers.leave("alice") for _ in range(3)] == [2, 3, 4]
    assert askers.waiting == 0
    assert askers.enter("alice", 9) is Seat.WAITS
    assert askers.leave("alice") == 9
    assert [askers.leave("alice") for _ in range(2)] == [None, None]
    assert len(askers) == 0


def test_only_keys_at_work_are_remembered() -> None:
    askers = Askers[int](at_once_each=1, waiting_each=1)
    for number in range(1000):
        askers.enter(str(number), number)
        askers.leave(str(number))
    assert len(askers) == 0

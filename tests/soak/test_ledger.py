"""The books of a soak run: right, and bounded."""

from __future__ import annotations

from tests.soak.ledger import MAX_OPEN, MAX_WORDS, Kept, Requests, Tally


def counts(requests: Requests) -> tuple[int, int, int]:
    return requests.answered_once, requests.answered_twice, requests.unanswered


def test_request_is_judged_when_its_time_is_over() -> None:
    requests = Requests(watch_seconds=50)
    for name in ("once", "again", "never", "refused"):
        requests.ask(name, 100)
    for name in ("once", "again", "never"):
        requests.acknowledge(name)
    for name, wrap in (("once", "a"), ("once", "a"), ("again", "b"), ("again", "c"), ("unknown", "d")):
        requests.answer(name, wrap)
    requests.settle(149)
    assert counts(requests) == (0, 0, 0)
    requests.settle(150)
    assert counts(requests) == (1, 1, 1)
    assert (requests.asked, requests.acknowledged, len(requests)) == (4, 3, 0)


def test_unacknowledged_request_may_be_answered_once_but_not_twice() -> None:
    requests = Requests(watch_seconds=50)
    for name, wraps in (("a", "1"), ("b", "23")):
        requests.ask(name, 0)
        for wrap in wraps:
            requests.answer(name, wrap)
    requests.settle(float("inf"))
    assert counts(requests) == (0, 1, 0)


def test_no_more_requests_are_watched_than_there_is_room_for() -> None:
    requests = Requests(watch_seconds=50)
    for number in range(MAX_OPEN + 5):
        requests.ask(str(number), 0)
        requests.acknowledge(str(number))
    assert len(requests) == MAX_OPEN
    assert requests.unanswered == 5


def test_no_more_names_are_counted_than_there_is_room_for() -> None:
    tally = Tally()
    for number in range(MAX_WORDS + 10):
        tally.add(f"name {number}")
    assert len(tally.counts) == MAX_WORDS + 1
    assert tally.counts["other"] == 10


def test_rows_are_allowed_until_they_are_due() -> None:
    kept = Kept(lambda at: at + 60)
    for second in (1000, 1000.5, 1010):
        kept.add(second)
    assert kept.allowed(1060) == 3
    assert kept.allowed(1061) == 1
    assert kept.allowed(1071) == 0

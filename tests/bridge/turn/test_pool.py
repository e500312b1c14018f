"""What is kept ahead, for how long, and for whom."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.turn.pool import Moment, Pool, PoolRules
from bridge.turn.provider import TurnCredentials

RULES = PoolRules(size=3, max_age_seconds=100, told_seconds=1000)
START = Moment(50_000, 10.0)


def at(seconds: float) -> Moment:
    return Moment(START.now + int(seconds), START.monotonic + seconds)


def made(name: str, valid_seconds: int | None = 2000) -> TurnCredentials:
    return TurnCredentials(name, f"planted-{name}", ("turn:a",), valid_seconds)


def a_pool(*names: str, rules: PoolRules = RULES) -> Pool:
    pool = Pool(rules)
    for name in names:
        assert pool.add(made(name), START)
    return pool


def names_in(pool: Pool, moment: Moment) -> list[str]:
    names = []
    while taken := pool.take(moment):
        names.append(taken.username)
    return names


def test_each_is_given_once_and_the_oldest_first() -> None:
    pool = a_pool("a", "b")
    assert names_in(pool, at(1)) == ["a", "b"]
    assert pool.take(at(1)) is None


def test_no_more_are_kept_than_its_size() -> None:
    pool = a_pool("a", "b", "c", "d")
    assert pool.missing(at(0)) == 0
    assert names_in(pool, at(0)) == ["a", "b", "c"]
    assert pool.missing(at(0)) == 3


def test_age_is_taken_off_the_lifetime() -> None:
    taken = a_pool("a").take(at(40))
    assert taken is not None
    assert taken.valid_seconds == 1960


def test_what_is_good_for_ever_stays_so_and_is_thrown_away_all_the_same() -> None:
    pool = Pool(RULES)
    assert pool.add(made("a", None), START)
    assert pool.add(made("b", None), START)
    taken = pool.take(at(100))
    assert taken is not None
    assert taken.valid_seconds is None
    assert pool.take(at(101)) is None


def test_what_is_too_old_is_given_to_nobody_and_its_place_is_free() -> None:
    pool = a_pool("a")
    assert pool.missing(at(100)) == 2
    assert pool.missing(at(101)) == 3
    assert pool.take(at(101)) is None


def test_clock_that_was_set_back_makes_nothing_younger() -> None:
    assert a_pool("a").take(Moment(START.now - 500, START.monotonic + 101)) is None


def test_sleep_of_the_machine_counts() -> None:
    assert a_pool("a").take(Moment(START.now + 101, START.monotonic + 1)) is None


def test_what_lives_too_short_to_wait_is_not_kept() -> None:
    pool = Pool(RULES)
    assert not pool.add(made("a", 1009), START)
    assert pool.add(made("b", 1010), START)
    assert names_in(pool, START) == ["b"]


def test_what_lives_shorter_than_it_could_be_kept_is_kept_as_long_as_it_covers_what_is_told() -> None:
    pool = Pool(RULES)
    assert pool.add(made("a", 1060), START)
    assert pool.missing(at(60)) == 2
    assert pool.take(at(61)) is None


def test_oldest_tells_when_there_is_something_to_do() -> None:
    assert Pool(RULES).seconds_left(at(0)) is None
    assert a_pool("a").seconds_left(at(30)) == 70
    assert a_pool("a").seconds_left(at(130)) == 0


def test_smaller_pool_lets_go_and_a_longer_promise_shortens_the_wait() -> None:
    pool = a_pool("a", "b", "c")
    pool.adopt(PoolRules(size=1, max_age_seconds=100, told_seconds=1950))
    assert pool.missing(at(0)) == 0
    assert pool.seconds_left(at(0)) == 50
    assert pool.take(at(51)) is None


def test_pool_shows_no_secret() -> None:
    assert "planted" not in repr(a_pool("a"))


@given(st.lists(st.tuples(st.sampled_from(["add", "take"]), st.floats(0, 60), st.integers(900, 4000)), max_size=60))
def test_what_is_told_is_always_covered_and_nobody_gets_what_another_had(steps: list[tuple[str, float, int]]) -> None:
    pool, elapsed, given_away = Pool(RULES), 0.0, set()
    asked: dict[str, tuple[float, int]] = {}
    for number, (step, passing, valid) in enumerate(steps):
        elapsed += passing
        if step == "add":
            asked[str(number)] = elapsed, valid
            pool.add(made(str(number), valid), at(elapsed))
        elif taken := pool.take(at(elapsed)):
            assert taken.username not in given_away
            given_away.add(taken.username)
            since, lifetime = asked[taken.username]
            assert since + lifetime >= elapsed + RULES.told_seconds
            assert taken.valid_seconds is not None
            assert taken.valid_seconds >= RULES.told_seconds
        assert pool.missing(at(elapsed)) <= RULES.size

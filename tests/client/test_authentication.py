"""Authentication: a round is over when every key was answered; a good one is worth asking again for."""

from __future__ import annotations

import pytest

from client.authentication import Authentication, AuthState
from nips.event import VerifiedEvent
from nips.nip42 import make_auth
from tests.support.wraps import AUTHOR, BRIDGE, NOW, STRANGER, drawn

URL = "wss://relay.example"


def answers(challenge: str) -> list[VerifiedEvent]:
    return [
        make_auth(key, relay_url=URL, challenge=challenge, created_at=NOW, aux=drawn("aux")) for key in (AUTHOR, BRIDGE)
    ]


def test_before_a_challenge_there_is_hope_but_no_round() -> None:
    auth = Authentication()
    assert (auth.is_in_progress, auth.may_succeed) == (False, True)
    assert auth.states == {}


def test_round_lasts_until_every_key_was_answered() -> None:
    auth = Authentication()
    one, two = answers("c")
    auth.offer("c", [one, two])
    assert auth.answered(one.id, True) == AUTHOR.public_key
    assert (auth.is_in_progress, auth.may_succeed) == (True, True)
    assert auth.answered(two.id, False) == BRIDGE.public_key
    assert (auth.is_in_progress, auth.may_succeed) == (False, False)
    assert auth.states == {AUTHOR.public_key: AuthState.ACCEPTED, BRIDGE.public_key: AuthState.REFUSED}


def test_answer_counts_once_and_only_for_what_was_offered() -> None:
    auth = Authentication()
    one, two = answers("c")
    auth.offer("c", [one])
    assert auth.answered(two.id, True) is None
    assert auth.answered(one.id, True) == AUTHOR.public_key
    assert auth.answered(one.id, False) is None
    assert auth.states == {AUTHOR.public_key: AuthState.ACCEPTED}


def test_challenge_within_a_round_adds_to_it() -> None:
    auth = Authentication()
    old, new = answers("old"), answers("new")
    auth.offer("old", old)
    auth.offer("new", new)
    assert auth.challenges == {"old", "new"}
    for event in (*old, *new):
        assert auth.is_in_progress
        auth.answered(event.id, event in old)
    assert not auth.is_in_progress


def test_key_that_was_accepted_stays_so_when_the_next_answer_is_refused() -> None:
    auth = Authentication()
    old, new = answers("old")[:1], answers("new")[:1]
    auth.offer("old", old)
    auth.answered(old[0].id, True)
    auth.offer("new", new)
    assert auth.states == {AUTHOR.public_key: AuthState.ACCEPTED}
    assert auth.answered(new[0].id, False) == AUTHOR.public_key
    assert auth.states == {AUTHOR.public_key: AuthState.ACCEPTED}


def test_key_that_was_accepted_is_not_given_up() -> None:
    auth = Authentication()
    for challenge in ("old", "new"):
        auth.offer(challenge, answers(challenge))
    auth.answered(answers("old")[0].id, True)
    assert auth.give_up() == [BRIDGE.public_key]
    assert not auth.is_in_progress


def test_giving_up_names_the_silent_keys() -> None:
    auth = Authentication()
    one, two = answers("c")
    auth.offer("c", [one, two])
    auth.answered(one.id, False)
    assert auth.give_up() == [BRIDGE.public_key]
    assert auth.states[BRIDGE.public_key] is AuthState.UNANSWERED
    assert auth.give_up() == []


@pytest.mark.parametrize(
    ("said", "succeeded"),
    [
        ([True, True], True),
        ([True, False], True),
        ([False, True], True),
        ([False, False], False),
        ([False, None], True),
        ([None, None], True),
    ],
    ids=str,
)
def test_round_is_good_unless_every_key_was_refused(said: list[bool | None], succeeded: bool) -> None:
    auth = Authentication()
    offered = answers("c")
    auth.offer("c", offered)
    for event, accepted in zip(offered, said, strict=True):
        if accepted is not None:
            auth.answered(event.id, accepted)
    auth.give_up()
    assert auth.conclude() is succeeded
    assert auth.successes == succeeded


def test_key_that_was_not_offered_has_no_state() -> None:
    auth = Authentication()
    auth.offer("c", answers("c"))
    assert STRANGER.public_key not in auth.states

"""Verdicts: what a relay's OK means for whoever wants to publish."""

from __future__ import annotations

import pytest

from client.publications import MAX_REASON, Outcome, Publication, Verdict, judge


@pytest.mark.parametrize(
    ("accepted", "message", "outcome"),
    [
        (True, "", Outcome.ACCEPTED),
        (True, "duplicate: already have this event", Outcome.ACCEPTED),
        (True, "blocked: what is true is true", Outcome.ACCEPTED),
        (False, "duplicate: already have this event", Outcome.ACCEPTED),
        (False, "rate-limited: slow down", Outcome.RATE_LIMITED),
        (False, "error: could not connect to the database", Outcome.FAILED),
        (False, "mute: nobody was listening", Outcome.MUTED),
        (False, "auth-required: we only accept events from registered users", Outcome.AUTH_REQUIRED),
        (False, "restricted: not you", Outcome.REFUSED),
        (False, "invalid: event creation date is too far off", Outcome.REFUSED),
        (False, "blocked: pubkey is not on the list", Outcome.REFUSED),
        (False, "pow: difficulty 25 < 30", Outcome.REFUSED),
        (False, "unsupported: kind", Outcome.REFUSED),
        (False, "ephemeral event expired", Outcome.REFUSED),
        (False, "Rate-Limited: prefixes are lower case", Outcome.REFUSED),
        (False, "", Outcome.REFUSED),
    ],
)
def test_ok_is_judged_by_its_prefix(accepted: bool, message: str, outcome: Outcome) -> None:
    assert judge(accepted, message) == Verdict(outcome, message)


def test_relays_words_are_cut() -> None:
    assert len(judge(False, "blocked: " + "x" * 100_000).message) == MAX_REASON


@pytest.mark.parametrize("outcome", list(Outcome))
def test_only_yes_and_no_are_final(outcome: Outcome) -> None:
    assert Verdict(outcome).is_final == (outcome in (Outcome.ACCEPTED, Outcome.REFUSED))
    assert Verdict(outcome).is_accepted == (outcome is Outcome.ACCEPTED)


def test_new_connection_knows_nothing_of_what_the_last_relay_said() -> None:
    publication = Publication("[]", 5.0, demand="auth-required: do", sent_after=2, is_repeated=True)
    publication.forget_connection()
    assert publication == Publication("[]", 5.0)

"""Whom to tell, and in which words."""

from __future__ import annotations

import pytest

from bridge.errors import StartupError
from bridge.health.notices import down_text, ended_text, faults_text, notice_rules
from nips.nip19 import encode_npub
from tests.support.pipeline import Client, settings_with

ALICE = Client("alice")
RULES = notice_rules(settings_with())


def test_nobody_is_told_unless_somebody_is_named() -> None:
    assert RULES.operator is None
    for text in (ALICE.key, encode_npub(ALICE.key)):
        assert notice_rules(settings_with({"notices.operator": text})).operator == ALICE.key


def test_key_that_is_none_is_refused_by_its_name() -> None:
    with pytest.raises(StartupError, match=r"notices\.operator"):
        notice_rules(settings_with({"notices.operator": "npub1" + "q" * 58}))


@pytest.mark.parametrize(
    ("ended", "faults", "is_open", "verdict"),
    [
        (100, 5, False, False),
        (100, 6, False, True),
        (19, 19, False, False),
        (20, 20, False, True),
        (19, 19, True, True),
        (1, 1, True, True),
        (0, 0, True, False),
        (0, 0, False, False),
    ],
)
def test_too_many_are_more_than_the_share_of_enough(ended: int, faults: int, is_open: bool, verdict: bool) -> None:
    assert RULES.is_too_much(ended, faults, is_open=is_open) is verdict


def test_words_name_what_is_wrong_and_where_to_look() -> None:
    assert "6 of 100 requests" in faults_text(RULES, 100, 6)
    assert "switchboard status" in faults_text(RULES, 100, 6)
    assert down_text(RULES, "turn", "no provider answers").startswith("Switchboard: turn is down: no provider answers.")
    assert ended_text(RULES, "turn", 1_800_000_000).endswith("trouble since 2027-01-15 08:00 UTC.")
    assert ended_text(RULES, "turn", None) == "Switchboard: turn is well again."

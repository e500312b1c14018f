"""What was asked to be deleted lately."""

from __future__ import annotations

import pytest

from bridge.relay.withdrawn import Noted, Withdrawn
from nips.event import VerifiedEvent
from nips.nip09 import parse_deletion
from tests.bridge.relay.builders import ALICE, BOB, LIVE, NOW, SENDER, a_wrap, an_event


def a_request(*ids: str, by: object = ALICE, k: str | None = None) -> VerifiedEvent:
    tags = [("e", event_id) for event_id in ids] + ([("k", k)] if k else [])
    return an_event(by, kind=5, tags=tags)  # type: ignore[arg-type]


def note(withdrawn: Withdrawn, request: VerifiedEvent, now: int = NOW) -> Noted:
    if request.kind == 62:
        return withdrawn.note_vanish(request, until=now + 600, now=now)
    named = parse_deletion(request, max_targets=100)
    return withdrawn.note_deletion(request, named, until=now + 600, now=now)


def noted(*requests: VerifiedEvent, maximum: int = 100) -> Withdrawn:
    withdrawn = Withdrawn(maximum=maximum)
    for request in requests:
        note(withdrawn, request)
    return withdrawn


@pytest.mark.parametrize(
    ("by", "k", "covered"),
    [(ALICE, None, True), (ALICE, "21059", True), (ALICE, "1", False), (SENDER, "1", True), (BOB, None, False)],
)
def test_wrap_is_covered_for_its_author_and_its_recipient(by: object, k: str | None, covered: bool) -> None:
    wrap = a_wrap(ALICE, kind=LIVE)
    withdrawn = noted(a_request(wrap.id, by=by, k=k))
    assert withdrawn.covers(wrap, ALICE.public_key) is covered
    assert not withdrawn.covers(a_wrap(ALICE, kind=LIVE, content="other"), ALICE.public_key)


@pytest.mark.parametrize(("created_at", "covered"), [(NOW - 1, True), (NOW, True), (NOW + 1, False)])
def test_vanished_key_is_covered_up_to_its_time(created_at: int, covered: bool) -> None:
    by_alice, by_sender = noted(an_event(ALICE, kind=62)), noted(an_event(SENDER, kind=62))
    wrap = a_wrap(ALICE, kind=LIVE, created_at=created_at)
    assert by_alice.covers(wrap, ALICE.public_key) is covered
    assert by_sender.covers(wrap, ALICE.public_key) is covered
    assert not noted(an_event(BOB, kind=62)).covers(wrap, ALICE.public_key)
    assert by_alice.covers(an_event(ALICE, kind=5, created_at=created_at), None) is covered
    assert not by_alice.covers(an_event(ALICE, kind=62, created_at=created_at), None)


def test_later_and_earlier_wishes_do_not_weaken_each_other() -> None:
    withdrawn = noted(an_event(ALICE, kind=62, created_at=NOW), an_event(ALICE, kind=62, created_at=NOW - 50))
    assert withdrawn.covers(an_event(ALICE, created_at=NOW), None)


def test_deletion_of_a_deletion_covers_nothing() -> None:
    request = a_request("00" * 32)
    assert not noted(a_request(request.id)).covers(request, None)


def test_what_is_over_is_forgotten() -> None:
    withdrawn = noted(a_request("00" * 32))
    assert len(withdrawn) == 2
    withdrawn.note_vanish(an_event(BOB, kind=62), until=NOW + 1200, now=NOW + 600)
    assert len(withdrawn) == 2


def test_no_more_is_remembered_than_allowed() -> None:
    wraps = [a_wrap(ALICE, kind=LIVE, content=str(number)) for number in range(3)]
    withdrawn = noted(*(a_request(wrap.id, k="1", by=SENDER) for wrap in wraps), maximum=2)
    assert [withdrawn.covers(wrap, ALICE.public_key) for wrap in wraps] == [False, True, True]


def test_what_is_taken_back_counts_no_more() -> None:
    withdrawn, wrap = noted(), a_wrap(ALICE, kind=LIVE)
    for request in (a_request(wrap.id), an_event(ALICE, kind=62)):
        withdrawn.take_back(note(withdrawn, request))
        assert not withdrawn.covers(wrap, ALICE.public_key)
    assert len(withdrawn) == 0


@pytest.mark.parametrize("taken_back", [0, 1])
def test_what_somebody_else_noted_too_still_counts(taken_back: int) -> None:
    withdrawn, wrap = noted(), a_wrap(ALICE, kind=LIVE)
    terms = [note(withdrawn, a_request(wrap.id, k=k)) for k in (None, "21059")]
    withdrawn.take_back(terms[taken_back])
    assert withdrawn.covers(wrap, ALICE.public_key)

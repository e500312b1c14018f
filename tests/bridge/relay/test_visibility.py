"""Read protection, attacked through every door, for both kinds of wraps."""

from __future__ import annotations

import pytest

from bridge.relay.refusals import AuthRequired, Restricted
from bridge.relay.visibility import ReadProtection, asks_for_others, asks_only_for_wraps
from nips.filter import Filter
from nips.keys import SecretKey
from tests.bridge.relay.builders import (
    ALICE,
    BOB,
    BRIDGE,
    DOORS,
    LIVE,
    STORED,
    a_filter,
    a_wrap,
    altered,
    an_event,
    doors_to,
)

PROTECTED = ReadProtection(BRIDGE.public_key)
OPEN = ReadProtection(BRIDGE.public_key, read_without_auth=True)
KINDS = pytest.mark.parametrize("kind", [STORED, LIVE])


def shows(wanted: Filter, *who: SecretKey, kind: int, rule: ReadProtection = PROTECTED, to: SecretKey = ALICE) -> bool:
    """Tell whether a filter shows a wrap to somebody who has proved some keys."""
    (view,) = rule.views([wanted], [key.public_key for key in who])
    return view.shows(a_wrap(to, kind=kind, tags=[("t", "call")]))


@KINDS
@pytest.mark.parametrize("door", DOORS)
def test_wrap_is_shown_to_its_recipient_by_every_door(door: str, kind: int) -> None:
    wanted = doors_to(a_wrap(kind=kind, tags=[("t", "call")]))[door]
    assert shows(wanted, ALICE, kind=kind)
    assert shows(wanted, BOB, ALICE, kind=kind)


@KINDS
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("who", [(), (BOB,), (BOB, BRIDGE)], ids=["nobody", "another key", "other keys"])
def test_wrap_is_shown_to_nobody_else_by_any_door(door: str, who: tuple[SecretKey, ...], kind: int) -> None:
    wanted = doors_to(a_wrap(kind=kind, tags=[("t", "call")]))[door]
    assert not shows(wanted, *who, kind=kind)


@KINDS
@pytest.mark.parametrize("rule", [PROTECTED, OPEN])
def test_wrap_for_the_bridge_is_shown_to_nobody(rule: ReadProtection, kind: int) -> None:
    for wanted in (a_filter(), a_filter(p=[BRIDGE.public_key])):
        for who in ((), (ALICE,), (BRIDGE,)):
            assert not shows(wanted, *who, kind=kind, rule=rule, to=BRIDGE)


@KINDS
@pytest.mark.parametrize("rule", [PROTECTED, OPEN])
def test_wrap_is_found_by_no_other_tag(rule: ReadProtection, kind: int) -> None:
    alice = ALICE.public_key
    for wanted in (a_filter(t=["call"]), a_filter(kinds=[kind], t=["call"]), a_filter(p=[alice], t=["call"])):
        assert not shows(wanted, ALICE, kind=kind, rule=rule)
    rule.check_request(rule.views([a_filter(kinds=[kind], t=["call"])], [alice]), [alice])


@KINDS
def test_wrap_of_the_wrong_form_is_shown_to_nobody(kind: int) -> None:
    twice = a_wrap(kind=kind, tags=[("p", BOB.public_key)])
    (view,) = PROTECTED.views([a_filter()], [ALICE.public_key, BOB.public_key])
    assert not view.shows(twice)
    assert not view.shows(altered(twice, tags=()))


@pytest.mark.parametrize("rule", [PROTECTED, OPEN])
def test_other_events_are_public(rule: ReadProtection) -> None:
    (view,) = rule.views([a_filter()], [])
    assert view.shows(an_event(kind=10050))
    assert view.shows(an_event(kind=24133, tags=[("p", ALICE.public_key)]))


@KINDS
@pytest.mark.parametrize("door", DOORS)
def test_without_auth_whoever_names_the_recipient_sees_and_nobody_else(door: str, kind: int) -> None:
    wanted = doors_to(a_wrap(kind=kind, tags=[("t", "call")]))[door]
    names = "p" in wanted.tags
    assert shows(wanted, kind=kind, rule=OPEN) is names
    assert shows(wanted, BOB, kind=kind, rule=OPEN) is names
    assert shows(wanted, ALICE, kind=kind, rule=OPEN)


def test_without_auth_only_those_named_are_shown() -> None:
    assert not shows(a_filter(p=[BOB.public_key]), kind=STORED, rule=OPEN)
    assert not shows(a_filter(p=[BOB.public_key]), ALICE, kind=STORED, rule=OPEN)


@pytest.mark.parametrize(
    ("filters", "who", "refusal"),
    [
        ([a_filter(kinds=[STORED])], (), AuthRequired),
        ([a_filter(kinds=[LIVE])], (), AuthRequired),
        ([a_filter(kinds=[STORED, LIVE])], (), AuthRequired),
        ([a_filter(kinds=[STORED], p=[ALICE.public_key])], (), AuthRequired),
        ([a_filter(kinds=[STORED], ids=["00" * 32])], (), AuthRequired),
        ([a_filter(kinds=[STORED]), a_filter(kinds=[LIVE])], (), AuthRequired),
        ([a_filter(kinds=[STORED], p=[ALICE.public_key])], (BOB,), Restricted),
        ([a_filter(kinds=[LIVE], p=[ALICE.public_key])], (BOB,), Restricted),
        ([a_filter(kinds=[LIVE], p=[BRIDGE.public_key])], (BRIDGE,), Restricted),
        ([a_filter(kinds=[STORED])], (BRIDGE,), Restricted),
    ],
)
def test_request_for_nothing_but_wraps_of_others_is_refused(
    filters: list[Filter], who: tuple[SecretKey, ...], refusal: type[Exception]
) -> None:
    keys = [key.public_key for key in who]
    with pytest.raises(refusal):
        PROTECTED.check_request(PROTECTED.views(filters, keys), keys)


@pytest.mark.parametrize(
    ("filters", "who"),
    [
        ([a_filter()], ()),
        ([a_filter(ids=["00" * 32])], ()),
        ([a_filter(p=[ALICE.public_key])], ()),
        ([a_filter(kinds=[0, STORED])], ()),
        ([a_filter(kinds=[])], ()),
        ([a_filter(kinds=[STORED]), a_filter(kinds=[0])], ()),
        ([a_filter(kinds=[STORED])], (ALICE,)),
        ([a_filter(kinds=[STORED], p=[ALICE.public_key, BOB.public_key])], (ALICE,)),
        ([a_filter(kinds=[STORED], p=[BOB.public_key]), a_filter(kinds=[LIVE])], (ALICE,)),
    ],
)
def test_any_other_request_is_served_without_what_may_not_be_seen(
    filters: list[Filter], who: tuple[SecretKey, ...]
) -> None:
    keys = [key.public_key for key in who]
    PROTECTED.check_request(PROTECTED.views(filters, keys), keys)


def test_without_auth_a_request_that_names_the_recipient_is_served() -> None:
    OPEN.check_request(OPEN.views([a_filter(kinds=[STORED], p=[ALICE.public_key])], []), [])
    with pytest.raises(AuthRequired):
        OPEN.check_request(OPEN.views([a_filter(kinds=[STORED])], []), [])
    with pytest.raises(AuthRequired):
        OPEN.check_request(OPEN.views([a_filter(kinds=[STORED], p=[BRIDGE.public_key])], []), [])


def test_filters_know_what_they_are_about() -> None:
    assert asks_only_for_wraps(a_filter(kinds=[STORED]))
    assert not asks_only_for_wraps(a_filter())
    assert not asks_only_for_wraps(a_filter(kinds=[]))
    assert asks_for_others(a_filter())
    assert asks_for_others(a_filter(kinds=[STORED, 0]))
    assert not asks_for_others(a_filter(kinds=[STORED, LIVE]))


@pytest.mark.parametrize(
    ("wanted", "who", "partial"),
    [
        (a_filter(), (), True),
        (a_filter(), (ALICE,), True),
        (a_filter(kinds=[STORED]), (ALICE,), True),
        (a_filter(ids=["00" * 32]), (ALICE,), True),
        (a_filter(kinds=[0, STORED], authors=[BOB.public_key]), (), True),
        (a_filter(p=[ALICE.public_key]), (), True),
        (a_filter(p=[ALICE.public_key, BOB.public_key]), (ALICE,), True),
        (a_filter(p=[ALICE.public_key]), (ALICE,), False),
        (a_filter(p=[ALICE.public_key, BRIDGE.public_key]), (ALICE,), False),
        (a_filter(kinds=[STORED], p=[ALICE.public_key]), (ALICE, BOB), False),
        (a_filter(kinds=[0]), (), False),
        (a_filter(kinds=[]), (), False),
        (a_filter(kinds=[LIVE, 0]), (), False),
        (a_filter(t=["x"]), (), False),
    ],
)
def test_view_is_partial_where_stored_wraps_of_somebody_else_could_match(
    wanted: Filter, who: tuple[SecretKey, ...], partial: bool
) -> None:
    (view,) = PROTECTED.views([wanted], [key.public_key for key in who])
    assert view.is_partial is partial


def test_view_of_whom_a_filter_names_is_whole_without_auth() -> None:
    wanted = a_filter(kinds=[STORED], p=[ALICE.public_key])
    assert [view.is_partial for view in OPEN.views([wanted, a_filter()], [])] == [False, True]

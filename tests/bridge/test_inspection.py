"""Why a wrap was refused, told to an operator."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.inspection import Inspector, unreadable
from nips.nip59 import WrapWindow
from tests.support.strategies import json_values, texts
from tests.support.wraps import (
    AUTHOR,
    BRIDGE,
    LIVE,
    NOW,
    STRANGER,
    Json,
    a_rumor,
    a_seal,
    a_wrap,
    deviant_wraps,
    identified,
    opened,
    without,
)

KEYS = {"id", "accepted", "reason", "sender", "rumor_kind"}


def an_inspector(
    *, unsigned_seals: bool = True, now: int = NOW, max_event_bytes: int = 131_072, min_pow_difficulty: int = 0
) -> Inspector:
    return Inspector(BRIDGE, now, WrapWindow(), max_event_bytes, 16, unsigned_seals, min_pow_difficulty)


def verdict_on(wrap: Json | str, **changes: Any) -> Mapping[str, Any]:
    line = wrap if isinstance(wrap, str) else json.dumps(wrap, ensure_ascii=False)
    verdict = an_inspector(**changes).inspect(line)
    assert set(verdict) == KEYS
    assert verdict["accepted"] is (verdict["reason"] is None)
    assert verdict["accepted"] or (verdict["sender"], verdict["rumor_kind"]) == (None, None)
    json.dumps(verdict)
    return verdict


def is_opened(wrap: Json, *, unsigned_seals: bool) -> bool:
    try:
        opened(wrap, unsigned_seals=unsigned_seals)
    except ValueError:
        return False
    return True


def test_a_good_wrap_is_accepted() -> None:
    wrap = a_wrap(a_seal(a_rumor()))
    assert verdict_on(wrap) == {
        "id": wrap["id"],
        "accepted": True,
        "reason": None,
        "sender": AUTHOR.public_key,
        "rumor_kind": 24390,
    }


@pytest.mark.parametrize("line_end", ["", "\n", "\r\n", "  \n"])
def test_white_space_around_a_line_does_not_matter(line_end: str) -> None:
    assert verdict_on(json.dumps(a_wrap(a_seal(a_rumor()))) + line_end)["accepted"]


def test_rumors_of_other_kinds_are_shown_as_what_they_are() -> None:
    """An operator looks at answers too, with the key of whom they are for."""
    assert verdict_on(a_wrap(a_seal(a_rumor(kind=24391))))["rumor_kind"] == 24391
    assert verdict_on(a_wrap(a_seal(a_rumor(kind=14, tags=[["p", STRANGER.public_key]]))))["rumor_kind"] == 14


@pytest.mark.parametrize("name", deviant_wraps())
@pytest.mark.parametrize("unsigned_seals", [False, True], ids=["strict", "compat"])
def test_a_deviant_wrap_is_refused_with_its_reason(name: str, unsigned_seals: bool) -> None:
    wrap, rule = deviant_wraps()[name]
    verdict = verdict_on(wrap, unsigned_seals=unsigned_seals)
    assert not verdict["accepted"]
    assert rule in verdict["reason"]
    assert verdict["id"] == wrap["id"]


@pytest.mark.parametrize(
    "missing", [("id", "sig", "kind", "tags"), ("sig",), ("sig", "id"), ("id",), ("kind",), ("tags",)], ids="+".join
)
def test_what_a_seal_may_lack_depends_on_compat(missing: tuple[str, ...]) -> None:
    wrap = a_wrap(without(a_seal(a_rumor()), missing))
    assert verdict_on(wrap)["accepted"] is is_opened(wrap, unsigned_seals=True)
    assert not verdict_on(wrap, unsigned_seals=False)["accepted"]
    assert verdict_on(wrap)["accepted"]


@pytest.mark.parametrize("missing", [("id",), ("pubkey",), ("id", "pubkey")], ids="+".join)
def test_what_a_rumor_may_lack_depends_on_compat(missing: tuple[str, ...]) -> None:
    wrap = a_wrap(a_seal(without(a_rumor(), missing)))
    assert verdict_on(wrap)["accepted"]
    assert not verdict_on(wrap, unsigned_seals=False)["accepted"]


def test_a_request_for_another_bridge_is_told_apart() -> None:
    wrap = a_wrap(a_seal(a_rumor(tags=[["p", STRANGER.public_key]])))
    assert verdict_on(wrap)["reason"] == "rumor is for somebody else"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"created_at": NOW - 200_000}, "created_at: more than 176400 seconds ago"),
        ({"created_at": NOW + 901}, "created_at: more than 900 seconds ahead"),
        ({"kind": LIVE, "created_at": NOW - 61}, "created_at: more than 60 seconds ago"),
        ({"tags": [["p", BRIDGE.public_key], ["expiration", str(NOW)]]}, "expiration: over"),
        ({"tags": [["p", BRIDGE.public_key], ["expiration", "soon"]]}, "expiration: not a time"),
    ],
)
def test_times_are_judged_as_of_the_moment_given(changes: Json, reason: str) -> None:
    assert reason in verdict_on(a_wrap(a_seal(a_rumor()), **changes))["reason"]


def test_another_moment_gives_another_verdict() -> None:
    wrap = a_wrap(a_seal(a_rumor()))
    assert not verdict_on(wrap, now=NOW + 10 * 86_400)["accepted"]


def test_the_first_reason_is_the_one_that_a_relay_gives() -> None:
    """Step 1 of the way of a request comes before step 2, and 2 before 6."""
    stranger = [["p", STRANGER.public_key]]
    assert verdict_on({**a_wrap(a_seal(a_rumor()), kind=1060), "id": "00" * 32})["reason"].startswith("id:")
    assert verdict_on(a_wrap("garbage", kind=1060))["reason"].startswith("kind:")
    assert verdict_on(a_wrap("garbage", tags=stranger, created_at=0))["reason"].startswith("created_at:")


def test_a_line_longer_than_an_event_may_be_is_refused() -> None:
    wrap = a_wrap(a_seal(a_rumor()))
    size = len(json.dumps(wrap, ensure_ascii=False, separators=(",", ":")).encode())
    assert "larger than 100 bytes" in verdict_on(wrap, max_event_bytes=100)["reason"]
    assert f"content: more than {size - 1024} characters" in verdict_on(wrap, max_event_bytes=size)["reason"]


@pytest.mark.parametrize("line", ["", "\n", "{}", "[]", "null", "{", '{"id":7}', "\ud800", "\x00", "[" * 9999])
def test_garbage_is_refused_without_an_id(line: str) -> None:
    verdict = verdict_on(line)
    assert (verdict["id"], verdict["accepted"]) == (None, False)


def test_an_id_is_told_as_soon_as_it_can_be_read() -> None:
    assert verdict_on(json.dumps({"id": "ab" * 32}))["id"] == "ab" * 32
    assert verdict_on(json.dumps({"id": "ab" * 31}))["id"] is None
    assert verdict_on(json.dumps({"id": "AB" * 32}))["id"] is None


def test_content_is_never_shown() -> None:
    planted = a_rumor(content='{"planted":true')
    for seal in (a_seal(planted), a_seal({**planted, "id": "00" * 32}), without(a_seal(planted), ["content"])):
        assert "planted" not in json.dumps(dict(verdict_on(a_wrap(seal))))


def test_a_line_that_is_no_text_has_a_verdict_too() -> None:
    verdict = unreadable("not UTF-8 text")
    assert set(verdict) == KEYS
    assert (verdict["accepted"], verdict["reason"]) == (False, "not UTF-8 text")


@given(line=texts)
def test_no_line_makes_it_raise(line: str) -> None:
    assert not verdict_on(line)["accepted"]


@given(value=json_values)
def test_no_json_makes_it_raise(value: Any) -> None:
    assert not verdict_on(json.dumps(value))["accepted"]


@given(name=st.sampled_from(sorted(a_wrap(a_seal(a_rumor())))), value=json_values)
def test_no_field_of_an_event_makes_it_raise(name: str, value: Any) -> None:
    verdict_on({**a_wrap(a_seal(a_rumor())), name: value})


@given(value=json_values)
def test_nothing_inside_a_wrap_makes_it_raise(value: Any) -> None:
    verdict_on(a_wrap(json.dumps(value)))
    verdict_on(a_wrap(a_seal(json.dumps(value))))


@given(name=st.sampled_from(["id", "pubkey", "created_at", "kind", "tags", "content", "sig"]), value=json_values)
def test_no_field_of_a_seal_or_rumor_makes_it_raise(name: str, value: Any) -> None:
    verdict_on(a_wrap({**a_seal(a_rumor()), name: value}))
    try:
        rumor = identified({**without(a_rumor(), ["id"]), name: value})
    except (TypeError, ValueError):
        rumor = {**a_rumor(), name: value}
    verdict_on(a_wrap(a_seal(rumor)))


def test_wrap_with_more_tags_than_the_relay_takes_is_refused() -> None:
    tags = [["p", BRIDGE.public_key], *([["t", "x"]] * 15)]
    assert verdict_on(a_wrap(a_seal(a_rumor()), tags=tags))["accepted"]
    assert verdict_on(a_wrap(a_seal(a_rumor()), tags=[*tags, ["t", "y"]]))["reason"] == "tags: more than 16"


def test_wrap_with_less_work_than_the_relay_asks_for_is_refused() -> None:
    verdict = verdict_on(a_wrap(a_seal(a_rumor())), min_pow_difficulty=40)
    assert verdict["reason"] == "less than 40 bits of work, or no nonce tag that commits to them"

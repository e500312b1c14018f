"""Messages between client and relay, both ways."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nips import messages
from nips.event import parse_event
from nips.filter import Filter
from nips.messages import (
    Authenticate,
    Challenge,
    Close,
    Closed,
    Counted,
    Delivered,
    EndOfStored,
    Hint,
    MessageLimits,
    Notice,
    Ok,
    Prefix,
    Publish,
    Request,
    Unusable,
    parse_client_message,
    parse_relay_message,
    prefix_of,
)
from tests.support.strategies import few_filters, json_values, texts
from tests.support.wraps import a_seal, a_wrap

LIMITS = MessageLimits(
    max_message_bytes=20_000, max_subscription_id=8, max_filters=2, max_filter_values=3, max_tag_conditions=4
)
VALUE = a_wrap(a_seal("x"))
EVENT = parse_event(VALUE)
ID = VALUE["id"]


def _refused(message: object, *, by_relay: bool = True) -> tuple[str | None, str | None, str]:
    text = message if isinstance(message, str) else json.dumps(message)
    with pytest.raises(Unusable) as refusal:
        (parse_client_message if by_relay else parse_relay_message)(text, LIMITS)
    assert str(refusal.value) == refusal.value.reason
    return refusal.value.verb, refusal.value.subject, refusal.value.reason


@pytest.mark.parametrize(
    ("message", "read"),
    [
        (["EVENT", VALUE], Publish(EVENT)),
        (["AUTH", VALUE], Authenticate(EVENT)),
        (["REQ", "s", {}], Request("s", (Filter(),))),
        (["REQ", "12345678", {"kinds": [1]}, {}], Request("12345678", (Filter(kinds=frozenset({1})), Filter()))),
        (["REQ", '"é\\', {}], Request('"é\\', (Filter(),))),
        (["CLOSE", "s"], Close("s")),
    ],
)
def test_client_message_is_read(message: list[Any], read: object) -> None:
    assert parse_client_message(json.dumps(message), LIMITS) == read


@pytest.mark.parametrize(
    ("message", "read"),
    [
        (["EVENT", "s", VALUE], Delivered("s", EVENT)),
        (["OK", ID, True, ""], Ok(ID, True, "")),
        (["OK", ID, False, "pow: more"], Ok(ID, False, "pow: more")),
        (["EOSE", "s"], EndOfStored("s")),
        (["EOSE", "s", ["finish"]], EndOfStored("s", Hint.FINISH)),
        (["EOSE", "s", ["other", "more"]], EndOfStored("s", Hint.MORE)),
        (["EOSE", "s", []], EndOfStored("s")),
        (["EOSE", "s", ["other"]], EndOfStored("s")),
        (["EOSE", "s", "finish"], EndOfStored("s")),
        (["EOSE", "s", [["finish"], {}], 7], EndOfStored("s")),
        (["COUNT", "q", {"count": 7}], Counted("q", 7)),
        (["COUNT", "q", {"count": 0, "approximate": True, "hll": "00"}, 1], Counted("q", 0)),
        (["CLOSED", "s", "error: x"], Closed("s", "error: x")),
        (["NOTICE", "text"], Notice("text")),
        (["AUTH", "challenge"], Challenge("challenge")),
    ],
)
def test_relay_message_is_read(message: list[Any], read: object) -> None:
    assert parse_relay_message(json.dumps(message), LIMITS) == read


@pytest.mark.parametrize("by_relay", [True, False])
@pytest.mark.parametrize(
    "message", ["", "hello", "{}", "[]", '"EVENT"', "[1]", "[null]", '[["EVENT"]]', '{"0":"EVENT"}', "[" * 99, "[NaN]"]
)
def test_what_is_no_message_has_neither_verb_nor_subject(message: str, by_relay: bool) -> None:
    assert _refused(message, by_relay=by_relay)[:2] == (None, None)


@pytest.mark.parametrize("verb", ["", "event", "EVENTS", "count", "NEG-OPEN", "OK", "EOSE", "NOTICE", " EVENT"])
def test_verb_that_clients_have_not_is_refused(verb: str) -> None:
    assert _refused([verb, "s", {}]) == (None, None, "unknown verb")


@pytest.mark.parametrize("verb", ["EVENT", "AUTH"])
@pytest.mark.parametrize("rest", [[], [VALUE, VALUE], [VALUE, None], ["s", VALUE]])
def test_client_sends_exactly_one_event(verb: str, rest: list[object]) -> None:
    assert _refused([verb, *rest]) == (verb, None, f"{verb} has exactly one event")


@pytest.mark.parametrize("verb", ["EVENT", "AUTH"])
def test_refused_event_is_named_by_its_id(verb: str) -> None:
    assert _refused([verb, {**VALUE, "kind": -1}]) == (verb, ID, "kind: not an integer from 0 to 65535")


@pytest.mark.parametrize("identity", [None, 1, [], "a" * 65, {"a": "b"}], ids=repr)
def test_id_that_cannot_be_repeated_is_not(identity: object) -> None:
    verb, subject, reason = _refused(["EVENT", {**VALUE, "id": identity}])
    assert (verb, subject) == ("EVENT", None)
    assert reason.startswith("id: ")


def test_event_that_is_no_object_has_no_id() -> None:
    assert _refused(["EVENT", [ID]])[:2] == ("EVENT", None)


def test_malformed_id_is_repeated_as_it_came() -> None:
    assert _refused(["EVENT", {**VALUE, "id": "abc"}])[:2] == ("EVENT", "abc")


@pytest.mark.parametrize("verb", ["REQ", "CLOSE"])
@pytest.mark.parametrize("subscription", ["", "123456789", None, 1, ["s"], {}], ids=repr)
def test_subscription_id_is_a_short_string(verb: str, subscription: object) -> None:
    message = [verb, subscription, {}] if verb == "REQ" else [verb, subscription]
    assert _refused(message) == (verb, None, "a subscription id is a string of 1 to 8 characters")


def test_subscription_id_may_not_be_missing() -> None:
    assert _refused(["REQ"])[:2] == ("REQ", None)
    assert _refused(["CLOSE"])[:2] == ("CLOSE", None)


def test_length_of_a_subscription_id_counts_characters() -> None:
    assert parse_client_message('["CLOSE","😀😀😀😀😀😀😀😀"]', LIMITS) == Close("😀" * 8)


def test_close_has_nothing_more() -> None:
    assert _refused(["CLOSE", "s", "t"])[0] == "CLOSE"


def test_request_needs_a_filter_and_has_few() -> None:
    assert _refused(["REQ", "s"]) == ("REQ", "s", "REQ needs at least one filter")
    assert _refused(["REQ", "s", {}, {}, {}]) == ("REQ", "s", "more than 2 filters")


@pytest.mark.parametrize(
    "wanted",
    [
        None,
        [],
        {"search": "x"},
        {"kinds": [1, 2, 3, 4]},
        {"ids": ["x"]},
        {f"#{letter}": [] for letter in "abcdf"},
    ],
    ids=repr,
)
def test_request_with_a_bad_filter_is_refused_under_its_subscription(wanted: object) -> None:
    assert _refused(["REQ", "s", {}, wanted])[:2] == ("REQ", "s")


def test_limits_are_safe_where_nobody_chose() -> None:
    chosen = MessageLimits(
        max_message_bytes=131_072,
        max_subscription_id=64,
        max_filters=10,
        max_filter_values=500,
        max_tag_conditions=3,
    )
    assert MessageLimits() == chosen


def test_size_is_bounded_before_anything_is_read() -> None:
    text = json.dumps(["CLOSE", "s"])
    assert parse_client_message(text + " " * (20_000 - len(text)), LIMITS) == Close("s")
    for by_relay in (True, False):
        assert _refused(text + " " * 20_000, by_relay=by_relay) == (None, None, "text is larger than 20000 bytes")


@pytest.mark.parametrize(
    "message",
    [
        ["EVENT", VALUE],
        ["EVENT", 1, VALUE],
        ["OK", ID],
        ["OK", ID, True],
        ["OK", ID, 1, ""],
        ["OK", ID, "true", ""],
        ["OK", None, True, ""],
        ["OK", ID, True, None],
        ["EOSE"],
        ["EOSE", 1],
        ["CLOSED", "s"],
        ["CLOSED", "s", None],
        ["NOTICE"],
        ["NOTICE", 1],
        ["AUTH", VALUE],
        ["AUTH"],
        ["REQ", "s", {}],
        ["COUNT", "s", {"count": -1}],
        ["COUNT", "s", {"count": True}],
        ["COUNT", "s", {"count": "1"}],
        ["COUNT", "s", {}],
        ["COUNT", "s", 1],
        ["COUNT", 7, {"count": 1}],
    ],
)
def test_what_no_relay_sends_is_refused(message: list[Any]) -> None:
    assert _refused(message, by_relay=False) == (message[0], None, "not a relay message")


def test_delivered_event_is_checked_for_its_form() -> None:
    assert _refused(["EVENT", "s", {**VALUE, "sig": ""}], by_relay=False)[:2] == ("EVENT", ID)


def test_client_messages_read_back_as_written() -> None:
    wanted = Filter(kinds=frozenset({1059}), tags={"p": frozenset({"aa" * 32})}, since=5)
    written = {
        messages.write_publish(EVENT): Publish(EVENT),
        messages.write_authenticate(EVENT): Authenticate(EVENT),
        messages.write_request("s", [wanted, Filter()]): Request("s", (wanted, Filter())),
        messages.write_close("s"): Close("s"),
    }
    for text, message in written.items():
        assert parse_client_message(text, LIMITS) == message


@given(texts, texts)
@settings(max_examples=60)
def test_no_text_of_a_peer_breaks_a_frame(subject: str, reason: str) -> None:
    written = {
        messages.write_delivered(subject, EVENT.to_json()): Delivered(subject, EVENT),
        messages.write_ok(subject, False, reason): Ok(subject, False, reason),
        messages.write_end_of_stored(subject): EndOfStored(subject),
        messages.write_closed(subject, reason): Closed(subject, reason),
        messages.write_notice(reason): Notice(reason),
        messages.write_challenge(reason): Challenge(reason),
    }
    for text, message in written.items():
        assert parse_relay_message(text, LIMITS) == message


@given(st.lists(few_filters, min_size=1, max_size=2), st.text('ab"\\é', min_size=1, max_size=8))
@settings(max_examples=50)
def test_requests_read_back_as_written(wanted: list[Filter], subscription: str) -> None:
    text = messages.write_request(subscription, wanted)
    assert parse_client_message(text, LIMITS) == Request(subscription, tuple(wanted))


def test_verdict_always_has_four_elements() -> None:
    assert messages.write_ok(ID, True) == f'["OK","{ID}",true,""]'


@given(st.lists(st.one_of(json_values, st.sampled_from(["EVENT", "REQ", "CLOSE", "AUTH", "OK", "s"])), max_size=4))
@settings(max_examples=150)
def test_arbitrary_messages_raise_nothing_else(message: list[Any]) -> None:
    for read in (parse_client_message, parse_relay_message):
        try:
            read(json.dumps(message), LIMITS)
        except Unusable as refusal:
            assert refusal.subject is None or isinstance(refusal.subject, str)


@pytest.mark.parametrize("prefix", Prefix)
def test_prefix_begins_what_it_says(prefix: Prefix) -> None:
    message = prefix.says("too much: of it")
    assert message == f"{prefix}: too much: of it"
    assert prefix_of(message) is prefix


@pytest.mark.parametrize(
    "message", ["", "blocked", "Blocked: x", "blocked : x", ": x", "x: blocked: y", "free text: x"]
)
def test_other_messages_have_no_prefix(message: str) -> None:
    assert prefix_of(message) is None


def test_prefixes_are_the_words_of_nip_01_and_nip_42() -> None:
    nip_01 = {"duplicate", "pow", "blocked", "rate-limited", "invalid", "restricted", "mute", "error", "unsupported"}
    assert set(Prefix) == nip_01 | {"auth-required"}

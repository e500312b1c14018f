"""Events of NIP-01: exact form, exact id, real signatures."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import pytest
from hypothesis import given, settings

from nips.errors import InvalidEvent, InvalidJson
from nips.event import Event, VerifiedEvent, event_id, parse_event, sign_event, verify_event
from nips.keys import PublicKey, SecretKey
from nips.strict_json import MAX_INTEGER, parse
from tests.support.strategies import kinds, seconds, secret_keys, tags, texts
from tests.support.wraps import AUTHOR, STRANGER, drawn

ESCAPES = {8: r"\b", 9: r"\t", 10: r"\n", 12: r"\f", 13: r"\r", 34: r"\"", 92: r"\\"}


def _signed(**changes: Any) -> VerifiedEvent:
    fields = {"created_at": 1_700_000_000, "kind": 1, "tags": [["t", "a"]], "content": "hello", **changes}
    return sign_event(AUTHOR, **fields, aux=drawn("aux"))


def _value(**changes: Any) -> dict[str, Any]:
    return {**parse(_signed().to_json(), max_bytes=10_000), **changes}


def _short(value: object) -> str:
    return f"{value!r:.20}"


def _canonical(text: str) -> str:
    """Return the JSON string that NIP-01 hashes, written by its list of escapes."""
    plain = (ESCAPES.get(ord(c)) or (f"\\u{ord(c):04x}" if ord(c) < 0x20 else c) for c in text)
    return f'"{"".join(plain)}"'


def _hash(pubkey: str, created_at: int, kind: int, event_tags: list[list[str]], content: str) -> str:
    written = ",".join("[" + ",".join(map(_canonical, tag)) + "]" for tag in event_tags)
    text = f'[0,"{pubkey}",{created_at},{kind},[{written}],{_canonical(content)}]'
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "character", [chr(c) for c in (*range(0x80), 0x80, 0xA0, 0x2028, 0x2029, 0xFEFF, 0xFFFF, 0x1F600)]
)
def test_every_character_has_its_canonical_form(character: str) -> None:
    pubkey = AUTHOR.public_key
    content, event_tags = f"a{character}b", [["t", character], [character]]
    assert event_id(pubkey, 5, 1, event_tags, content) == _hash(pubkey, 5, 1, event_tags, content)


def test_id_is_that_of_a_published_event() -> None:
    pubkey = "611df01bfcf85c26ae65453b772d8f1dfd25c264621c0277e1fc1518686faef9"
    text = "Are you going to the party tonight?"
    assert event_id(pubkey, 1691518405, 1, [], text).startswith("9dd003c6d3b73b74a85a9ab099469ce251653a7af76f5236")


@given(secret_keys, seconds, kinds, tags, texts)
@settings(max_examples=60)
def test_signed_event_reads_back_verified(
    secret: SecretKey, created_at: int, kind: int, event_tags: list[list[str]], content: str
) -> None:
    signed = sign_event(secret, created_at=created_at, kind=kind, tags=event_tags, content=content, aux=drawn("aux"))
    assert signed.id == _hash(secret.public_key, created_at, kind, event_tags, content)
    event = parse_event(parse(signed.to_json(), max_bytes=1_000_000))
    assert event.to_dict() == signed.to_dict()
    assert verify_event(event) == signed


NOT_HEX: list[object] = [
    None,
    0,
    1.0,
    True,
    b"a" * 64,
    [],
    "",
    "A" * 64,
    "a" * 63 + "A",
    "a" * 63,
    "a" * 65,
    "a" * 127,
    "a" * 129,
    "g" * 64,
    "aa " * 21 + "a",
    "aa " * 42 + "aa",
    "a" * 64 + "\n",
    "a" * 128 + "\n",
    "\u0661" * 64,
    "\u0661" * 128,
    "\uff41" * 64,
    "\uff41" * 128,
    "A" * 128,
]

NOT_INTEGERS: list[object] = [
    None,
    True,
    False,
    0.0,
    1.0,
    1e3,
    "1",
    "",
    [],
    {},
    -1,
    -(2**31),
    MAX_INTEGER + 1,
    2**64,
    10**400,
]


@pytest.mark.parametrize("value", NOT_HEX)
@pytest.mark.parametrize("name", ["id", "pubkey", "sig"])
def test_field_is_lower_case_hex_of_its_length(name: str, value: object) -> None:
    with pytest.raises(InvalidEvent, match=rf"^{name}: not {128 if name == 'sig' else 64} lower-case hex digits$"):
        parse_event(_value(**{name: value}))


@pytest.mark.parametrize("value", NOT_INTEGERS, ids=_short)
@pytest.mark.parametrize("name", ["created_at", "kind"])
def test_field_is_an_integer_and_nothing_like_it(name: str, value: object) -> None:
    with pytest.raises(InvalidEvent, match=f"^{name}: not an integer"):
        parse_event(_value(**{name: value}))


@pytest.mark.parametrize(
    "word", ["1.0", "1e0", "1E0", "10e-1", "true", '"1"', "null", "-1", "NaN", "1" * 30, "1" * 5000], ids=_short
)
@pytest.mark.parametrize("name", ["created_at", "kind"])
def test_number_written_in_another_way_is_refused(name: str, word: str) -> None:
    text = _signed(created_at=1, kind=1).to_json().replace(f'"{name}":1,', f'"{name}":{word},')
    assert word in text
    with pytest.raises((InvalidEvent, InvalidJson)):
        parse_event(parse(text, max_bytes=100_000))


def test_kind_beyond_16_bits_is_refused() -> None:
    assert parse_event(_value(kind=65535)).kind == 65535
    with pytest.raises(InvalidEvent, match="kind"):
        parse_event(_value(kind=65536))


def test_times_run_from_zero_to_the_largest_exact_integer() -> None:
    assert [parse_event(_value(created_at=time)).created_at for time in (0, MAX_INTEGER)] == [0, MAX_INTEGER]


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        "",
        "tags",
        1,
        ["t"],
        [[]],
        [["t"], []],
        [["t", 1]],
        [["t", None]],
        [[["t"]]],
        [{"t": "a"}],
        [("t", "a")],
    ],
    ids=repr,
)
def test_tags_are_arrays_of_strings_none_empty(value: object) -> None:
    with pytest.raises(InvalidEvent, match="tags"):
        parse_event(_value(tags=value))


@pytest.mark.parametrize("value", [None, 1, [], {}, True, b"bytes"], ids=repr)
def test_content_is_a_string(value: object) -> None:
    with pytest.raises(InvalidEvent, match="content"):
        parse_event(_value(content=value))


@pytest.mark.parametrize("name", ["id", "pubkey", "created_at", "kind", "tags", "content", "sig"])
def test_no_field_may_be_missing(name: str) -> None:
    value = _value()
    del value[name]
    with pytest.raises(InvalidEvent, match=f"^{name}: "):
        parse_event(value)


@pytest.mark.parametrize("value", [None, [], "{}", 1, True, [["id", "a"]]], ids=repr)
def test_event_is_an_object(value: object) -> None:
    with pytest.raises(InvalidEvent, match="object"):
        parse_event(value)


def test_fields_that_nobody_vouches_for_are_left_out() -> None:
    event = parse_event(_value(ots="x", seen_on=["wss://a"]))
    assert event.to_dict() == _signed().to_dict()


def test_what_is_parsed_is_not_yet_verified() -> None:
    event = parse_event(_value())
    assert not isinstance(event, VerifiedEvent)
    assert isinstance(verify_event(event), VerifiedEvent)


def test_what_was_verified_is_not_verified_again() -> None:
    verified = _signed()
    assert verify_event(verified) is verified


CHANGES: dict[str, Any] = {
    "pubkey": STRANGER.public_key,
    "created_at": 1_700_000_001,
    "kind": 2,
    "tags": (("t", "b"),),
    "content": "hello ",
    "id": "00" * 32,
}


@pytest.mark.parametrize("name", CHANGES)
def test_change_of_any_field_breaks_the_id(name: str) -> None:
    event = dataclasses.replace(parse_event(_value()), **{name: CHANGES[name]})
    with pytest.raises(InvalidEvent, match=r"^id: "):
        verify_event(event)


def test_every_flipped_digit_of_a_signature_breaks_it() -> None:
    event = parse_event(_value())
    for position, digit in enumerate(event.sig):
        flipped = event.sig[:position] + f"{int(digit, 16) ^ 1:x}" + event.sig[position + 1 :]
        with pytest.raises(InvalidEvent, match=r"^sig: "):
            verify_event(dataclasses.replace(event, sig=flipped))


def test_signature_by_somebody_else_is_refused() -> None:
    event = parse_event(_value())
    forged = STRANGER.sign(bytes.fromhex(event.id), drawn("aux")).hex()
    with pytest.raises(InvalidEvent, match=r"^sig: "):
        verify_event(dataclasses.replace(event, sig=forged))


def test_author_off_the_curve_has_no_signature() -> None:
    event = parse_event(_value())
    nobody = PublicKey("ff" * 32)
    identity = event_id(nobody, event.created_at, event.kind, event.tags, event.content)
    with pytest.raises(InvalidEvent, match=r"^sig: "):
        verify_event(dataclasses.replace(event, pubkey=nobody, id=identity))


@pytest.mark.parametrize("field", ["content", "tags"])
def test_lone_surrogate_has_no_id(field: str) -> None:
    value = {"content": "\ud800"} if field == "content" else {"tags": [["t", "\udfff"]]}
    with pytest.raises(InvalidEvent, match="surrogate"):
        verify_event(parse_event(_value(**value)))
    with pytest.raises(InvalidEvent, match="surrogate"):
        _signed(**value)


def test_event_does_not_change() -> None:
    event: Event = _signed()
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.content = "other"  # type: ignore[misc]
    assert isinstance(event.tags, tuple)
    assert all(isinstance(tag, tuple) for tag in event.tags)


def test_tag_values_are_first_values_in_their_order() -> None:
    event = _signed(tags=[["p", "1", "x"], ["e", "2"], ["p"], ["p", "3"], ["P", "4"], ["p", ""]])
    assert event.tag_values("p") == ["1", "3", ""]
    assert event.tag_values("q") == []
    assert event.first_tag("p") == "1"
    assert event.first_tag("e") == "2"
    assert event.first_tag("q") is None


def test_first_tag_is_the_first_with_a_value() -> None:
    assert _signed(tags=[["d"], ["d", "x"]]).first_tag("d") == "x"

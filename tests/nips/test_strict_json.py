"""JSON has one meaning for each text, or none."""

from __future__ import annotations

import json
import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nips import strict_json
from nips.errors import InvalidJson
from nips.strict_json import MAX_DEPTH, MAX_INTEGER, Exact, dump, dump_exact, parse
from tests.support.strategies import integers, json_values, texts

ROOM = 10_000_000


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        ("true", True),
        ("0", 0),
        ("-0", 0),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("1e-999", 0.0),
        (str(MAX_INTEGER), MAX_INTEGER),
        (str(-MAX_INTEGER), -MAX_INTEGER),
        ('""', ""),
        (r'"\u0000\u001f\/\b\f\n\r\t\"\\"', '\x00\x1f/\b\f\n\r\t"\\'),
        (r'"\ud83d\ude00"', "😀"),
        (r'"\\ud800"', r"\ud800"),
        ('"\x7f\u2028😀"', "\x7f\u2028😀"),
        (' \t\r\n[ 1 , {"a" : []} ] ', [1, {"a": []}]),
        ('{"a":{"a":1},"b":{"a":1}}', {"a": {"a": 1}, "b": {"a": 1}}),
    ],
)
def test_json_is_read(text: str, value: object) -> None:
    read = parse(text, max_bytes=ROOM)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "nul",
        "True",
        "'a'",
        "[1,]",
        '{"a":1,}',
        "{1:2}",
        "1 2",
        "[] []",
        "01",
        "+1",
        ".5",
        "5.",
        "1_000",
        "0x10",
        "\u0661",
        "\uff11",
        "\ufeff1",
        "\u00a01",
        "\x0b1",
        '"a\nb"',
        '"a\x00b"',
        '"\\x41"',
        '"\\u12"',
        '"\\u 123"',
        '"\\u+123"',
        '"\\u\uff10\uff1041"',
        '"a',
        '"a\\',
        '"\\"',
        "[",
        "]",
        "{",
        "/* no */ 1",
        "1 // no",
    ],
)
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(InvalidJson):
        parse(text, max_bytes=ROOM)


@pytest.mark.parametrize(
    "word", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 400 + ".0", "1E400"], ids=lambda word: word[:9]
)
def test_number_without_a_finite_value_is_refused(word: str) -> None:
    for text in (word, f"[{word}]", f'{{"a":{word}}}'):
        with pytest.raises(InvalidJson):
            parse(text, max_bytes=ROOM)


@pytest.mark.parametrize(
    "digits",
    [str(MAX_INTEGER + 1), str(-MAX_INTEGER - 1), "9" * 17, "-" + "9" * 17, "1" * 4000, "1" * 5000, "9" * 10**6],
    ids=lambda digits: f"{len(digits)}-{digits[0]}",
)
def test_integer_beyond_what_every_reader_keeps_exact_is_refused(digits: str) -> None:
    with pytest.raises(InvalidJson, match="integer out of range"):
        parse(f"[{digits}]", max_bytes=ROOM)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":2}',
        '{"a":1,"a":1}',
        '{"a":1,"\\u0061":1}',
        '[{"b":{"a":1,"c":2,"a":3}}]',
        '{"":1,"":2}',
    ],
)
def test_key_twice_in_one_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidJson, match="twice"):
        parse(text, max_bytes=ROOM)


@pytest.mark.parametrize(
    "text",
    [
        r'"\ud800"',
        r'"\udc00"',
        r'"\ude00\ud83d"',
        r'"a\uD800b"',
        r'{"\udfff":1}',
        r'[[["\ud83d\u0041"]]]',
        '"\ud800"',
        '{"\udfff":1}',
        r'"\ud83d' + '\ude00"',
    ],
)
def test_lone_surrogate_is_refused(text: str) -> None:
    with pytest.raises(InvalidJson, match=r"surrogate|Unicode"):
        parse(text, max_bytes=ROOM)


def test_size_is_counted_in_bytes_of_utf8() -> None:
    assert parse('"éé"', max_bytes=6) == "éé"
    with pytest.raises(InvalidJson, match="larger than 5 bytes"):
        parse('"éé"', max_bytes=5)
    assert parse('"ee"', max_bytes=4) == "ee"
    with pytest.raises(InvalidJson, match="larger than 3 bytes"):
        parse('"ee"', max_bytes=3)


NESTS = {
    "arrays": ("[", "]"),
    "objects": ('{"a":', "}"),
    "mixed": ('[{"a":', "}]"),
    "spaced": (" [ ", " ] "),
    "after a string of brackets": ('["[[[[",', "]"),
}


@pytest.mark.parametrize("nest", NESTS)
def test_nesting_is_bounded(nest: str) -> None:
    opening, closing = NESTS[nest]
    assert MAX_DEPTH == 32
    levels = 16 if nest == "mixed" else 32

    def nested(depth: int) -> str:
        return opening * depth + "1" + closing * depth

    parse(nested(levels), max_bytes=ROOM)
    for depth in (levels + 1, 10**5):
        with pytest.raises(InvalidJson, match="nested deeper"):
            parse(nested(depth), max_bytes=ROOM)
        with pytest.raises(InvalidJson):
            parse(opening * depth, max_bytes=ROOM)


def test_depth_is_how_deep_and_not_how_many() -> None:
    assert parse(f"[{'[],' * 1000}[]]", max_bytes=ROOM, max_depth=2) == [[]] * 1001
    with pytest.raises(InvalidJson, match="nested deeper than 1"):
        parse(f"[{'[],' * 1000}[]]", max_bytes=ROOM, max_depth=1)


@pytest.mark.parametrize("closed", ["[],", "{},", '"[",'])
def test_what_was_closed_does_not_pay_for_what_is_opened(closed: str) -> None:
    parse(f"[{closed * 100}{'[' * 31}{']' * 31}]", max_bytes=ROOM)
    with pytest.raises(InvalidJson, match="nested deeper"):
        parse(f"[{closed * 100}{'[' * 32}{']' * 32}]", max_bytes=ROOM)


@pytest.mark.parametrize(
    "content", ["[" * 10**5, '{"a":' * 10**4, '\\"[{' * 10**4, "\\" * 10**4 + "[" * 10**4, '"'], ids=range(5)
)
def test_brackets_inside_strings_do_not_nest(content: str) -> None:
    assert parse(dump([content, [], content]), max_bytes=ROOM, max_depth=2) == [content, [], content]


@pytest.mark.parametrize("prefix", ["]" * 1000, '"', '"\\', "}" * 1000 + '"', '["\\\\",'], ids=range(5))
def test_nothing_before_it_hides_deep_nesting(prefix: str) -> None:
    with pytest.raises(InvalidJson):
        parse(prefix + "[" * 10**5, max_bytes=ROOM)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_bound_beyond_the_interpreters_stack_is_refused_and_not_raised(opening: str) -> None:
    with pytest.raises(InvalidJson):
        parse(opening * 10**5, max_bytes=ROOM, max_depth=10**6)


def test_no_depth_around_the_interpreters_limit_escapes_as_another_error() -> None:
    refused = 0
    for depth in range(700, 1100):
        try:
            parse("[" * depth + '"\\u0061"' + "]" * depth, max_bytes=ROOM, max_depth=10**6)
        except InvalidJson:
            refused += 1
    # The stack holds the lesser of these; versions of Python differ in which.
    assert refused < 400


def _cost(text: str) -> float:
    """Return the CPU seconds that reading a text takes when it is left alone."""

    def once() -> float:
        start = time.process_time()
        with pytest.raises(InvalidJson):
            parse(text, max_bytes=ROOM)
        return time.process_time() - start

    return min(once() for _ in range(5))


@pytest.mark.parametrize(
    "unit",
    ['\\"', '"', '"a', '\\\\"', '["', '"]', '",', "[]", "{", '"\\u0061",', '{"":', "\\", "9", '"é'],
)
def test_reading_costs_in_proportion_to_size(unit: str) -> None:
    def hostile(count: int) -> str:
        return "[" * (MAX_DEPTH + 1) + '"' + unit * count

    # Eight times the size: linear is 8 and quadratic 64.
    assert _cost(hostile(160_000)) < 24 * _cost(hostile(20_000)) + 0.001


def test_text_is_written_without_white_space_and_beyond_ascii_as_it_is() -> None:
    assert dump({"a": [1, "é😀\u2028\x7f", None, True, (2,)]}) == '{"a":[1,"é😀\u2028\x7f",null,true,[2]]}'


def test_control_characters_are_written_as_nip_01_wants() -> None:
    assert dump('"\\\n\r\t\b\f/') == r'"\"\\\n\r\t\b\f/"'
    assert dump("\x00\x0b\x1f") == r'"\u0000\u000b\u001f"'


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_number_that_json_has_not_is_not_written(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        dump(number)


@given(json_values)
def test_what_is_written_reads_the_same(value: Any) -> None:
    assert parse(dump(value), max_bytes=ROOM) == value


@given(st.one_of(texts, st.text(alphabet='[]{}":,\\/u0123456789abcdefeE+-. \ntruefalsn\ud800é')))
def test_whatever_is_read_means_what_the_standard_library_reads(text: str) -> None:
    try:
        value = parse(text, max_bytes=1000)
    except InvalidJson:
        return
    assert json.loads(text) == value


class _NothingIsFast:
    """The fast library, but it reads nothing: all that is left is the careful reader."""

    def __getattr__(self, name: str) -> Any:
        return _refuse if name == "loads" else getattr(orjson, name)


def _refuse(_text: bytes) -> Any:
    raise ValueError


def _verdict(text: str, *, max_bytes: int = ROOM) -> str:
    # repr tells 1 from 1.0 and True, 0.0 from -0.0, and one order of keys from another.
    try:
        return repr(parse(text, max_bytes=max_bytes))
    except InvalidJson as error:
        return f"refused: {error}"


def _both_verdicts(text: str) -> tuple[str, str]:
    usual = _verdict(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strict_json, "orjson", _NothingIsFast())
        return usual, _verdict(text)


_NUMBERS: st.SearchStrategy[str] = st.one_of(
    integers.map(str),
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from([2**53, 2**63, 2**64, 10**16]).flatmap(lambda edge: st.integers(edge - 2, edge + 2)).map(str),
    st.floats().map(repr),
    st.tuples(st.sampled_from(["", "-"]), st.from_regex(r"[0-9]{1,20}(\.[0-9]{0,20})?([eE][+-]?[0-9]{0,3})?")).map(
        "".join
    ),
    st.sampled_from(["-0", "-0.0", "0.0", "1e16", "1e+16", "1e-07", "1E5", "5e-324", "1e400", "NaN", "Infinity"]),
)
_STRINGS: st.SearchStrategy[str] = st.one_of(
    texts.map(lambda text: json.dumps(text, ensure_ascii=False)),
    texts.map(json.dumps),
    st.text(st.characters(), max_size=4).map(lambda text: f'"{text}"'),
    st.sampled_from(
        ['"a"', r'"\u0061"', r'"\/"', '"/"', r'"\ud800"', r'"\ud83d\ude00"', r'"\u001F"', r'"\u001f"', '"\x7f"']
    ),
)
_SPACES: st.SearchStrategy[str] = st.sampled_from([""] * 12 + [" ", "\n", "\t ", "\ufeff", "\x0b"])


@st.composite
def _texts_of_json(draw: st.DrawFn, depth: int = 3) -> str:
    """Draw texts that are JSON, or nearly: spaced and compact, with doubled keys and every kind of number."""
    space = draw(_SPACES)
    shapes = ["number", "string", "word"] + (["array", "object"] * 2 if depth else [])
    match draw(st.sampled_from(shapes)):
        case "number":
            return space + draw(_NUMBERS)
        case "string":
            return space + draw(_STRINGS)
        case "word":
            return space + draw(st.sampled_from(["true", "false", "null", "nul", ""]))
        case "array":
            inner = draw(st.lists(_texts_of_json(depth=depth - 1), max_size=3))
            return f"{space}[{','.join(inner)}{space}]"
    members = draw(st.lists(st.tuples(_STRINGS, _texts_of_json(depth=depth - 1)), max_size=3))
    return f"{space}{{{','.join(f'{key}{space}:{value}' for key, value in members)}}}"


@given(_texts_of_json())
def test_fast_reader_finds_the_meaning_that_the_careful_one_finds_or_none(text: str) -> None:
    usual, careful = _both_verdicts(text)
    assert usual == careful


@given(json_values, st.booleans(), st.sampled_from([(",", ":"), (", ", ": ")]), st.booleans())
def test_spelling_of_a_value_does_not_change_what_is_read(
    value: Any, ascii_only: bool, separators: tuple[str, str], sort: bool
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, separators=separators, sort_keys=sort)
    usual, careful = _both_verdicts(text)
    assert usual == careful == repr(json.loads(text))


@given(json_values.map(dump), st.data())
def test_one_changed_character_never_parts_the_two_readers(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text) - 1))
    mutated = text[:at] + data.draw(st.sampled_from('"\\{}[],:0-1.eE \n\x00u/tn\ud800\udc00é')) + text[at + 1 :]
    usual, careful = _both_verdicts(mutated)
    assert usual == careful


def test_compact_text_takes_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict_json, "_read", _refuse)
    assert parse('["EVENT",{"tags":[["p","é😀\\n\\u001f"]],"kind":1}]', max_bytes=ROOM)
    with pytest.raises(ValueError, match=r"^$"):
        parse('["EVENT", 1]', max_bytes=ROOM)


_EXACT: st.SearchStrategy[Exact] = st.recursive(
    st.one_of(st.none(), st.booleans(), integers, texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.lists(inner, max_size=4).map(tuple), st.dictionaries(texts, inner, max_size=4)
    ),
    max_leaves=12,
)


@given(_EXACT)
def test_both_writers_write_the_same(value: Exact) -> None:
    assert dump_exact(value).decode() == dump(value)


def test_both_writers_write_every_character_the_same() -> None:
    text = "".join(chr(point) for point in range(0x110000) if not 0xD800 <= point <= 0xDFFF)
    assert dump_exact(text).decode() == dump(text)
    assert dump_exact({text: [text]}).decode() == dump({text: [text]})


@pytest.mark.parametrize("value", ["\ud800", ["a", "\udfff"], {"\ud800": 1}, 2**64, -(2**63) - 1], ids=range(5))
def test_what_readers_would_not_agree_on_is_not_written_exactly(value: Exact) -> None:
    with pytest.raises(InvalidJson):
        dump_exact(value)

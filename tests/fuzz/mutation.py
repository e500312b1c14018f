"""Hostile variants of good material: of its structure, of its text, of its bytes, each from one seeded generator.

A mutant is built from JSON values, so that most of them are still JSON and reach what lies behind its parser; what
JSON has no value for (doubled keys, NaN, integers of any length) stands in the value as `Raw` and is put into the text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from random import Random
from typing import Any, Final

MARKER: Final = "never-quoted-4711"
"""Stands in mutants where a peer's text stands; no error may repeat it."""

HOSTILE_TEXTS: Final = (
    "",
    " ",
    "\0",
    "\x1f\x7f\x80",
    "\u2028\u2029",
    "\ufeff",
    "\u202e\u200b",
    "é😀",
    "\ud800",
    "\udfff\ud800",
    "٣",  # a digit to `isdigit`, and to `\d` without re.ASCII
    "\\",
    '"',
    "\\u0041",
    "null",
    "0",
    "-1",
    "1e3",
    "p",
    "#p",
    "expiration",
    MARKER,
    f"<script>{MARKER}</script>",
    "' OR 1=1; DROP TABLE events; --",
    "%s%n{0}{self}$(id)",
    "../../etc/passwd",
    "wss://relay.example/" + "a" * 300,
    "a" * 65,
    "a" * 5000,
    "0" * 64,
    "f" * 64,
    "F" * 64,
    "f" * 63 + "\n",
    " " + "f" * 63,
    "0" * 128,
)

HOSTILE_TOKENS: Final = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "-1e400",
    "1e-400",
    "1E2",
    "1.0",
    "-0",
    "-0.0",
    "0.1",
    "1.7976931348623157e308",
    "5e-324",
    "01",
    "+1",
    ".5",
    "1.",
    "0x10",
    "1_000",
    "9007199254740991",
    "9007199254740992",
    "-9007199254740993",
    "18446744073709551616",
    "1" * 400,
    "9" * 5000,
    "0." + "1" * 5000,
    "true",
    "false",
    "null",
    "True",
    "undefined",
    "'a'",
    "",
    ",",
    ":",
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\\ud83d\\ude00"',
    '"\\u0000"',
    '"\\x41"',
    '"\\u12"',
    '"\t"',
    '"unterminated',
    "/* */",
    "[]",
    "{}",
    "[[]]",
    '{"":{}}',
    '{"a":1,"a":1}',
    '{"\\u0061":1,"a":2}',
    "[" * 40 + "]" * 40,
    "[" * 3000,
    '{"a":' * 40 + "1" + "}" * 40,
)

HOSTILE_VALUES: Final[Sequence[Any]] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    13,
    1059,
    21059,
    65535,
    65536,
    2**31,
    2**53 - 1,
    1.0,
    1.5,
    [],
    {},
    [[]],
    [None],
    [["p"]],
    [["p", "x"], ["p", "y"]],
    [["expiration", "1"]],
    [["expiration", "٣"]],
    {"id": None},
    {"kinds": []},
)

_HEX = re.compile(r"[0-9a-f]{32,128}")
_PLACE = re.compile('"\ue000([0-9]+)\ue000"')


class Raw:
    """Text that stands in a value where JSON has nothing to say."""

    def __init__(self, text: str) -> None:
        self.text = text


class Mutator:
    """Changes good material; the same generator makes the same changes."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng

    def is_so(self, chance: float) -> bool:
        """Draw whether something happens."""
        return self.rng.random() < chance

    def rendered(self, value: Any) -> str:
        """Return a value's JSON, spelled one way or another."""
        raws: list[str] = []

        def placed(raw: Any) -> str:
            if not isinstance(raw, Raw):
                raise TypeError(type(raw))
            raws.append(raw.text)
            return f"\ue000{len(raws) - 1}\ue000"

        separators = (",", ":") if self.is_so(0.8) else (" ,\n", "\t: ")
        text = json.dumps(value, ensure_ascii=self.is_so(0.3), separators=separators, default=placed)
        if raws:
            # Escaped or not, the place holders are found by their digits.
            text = _PLACE.sub(lambda found: raws[int(found[1])], text.replace("\\ue000", "\ue000"))
        return self._with_doubled_key(text) if self.is_so(0.02) else text

    def changed(self, value: Any) -> Any:
        """Return a copy of a value with one to three changes of its structure."""
        root = [_copy(value)]
        for _ in range(self.rng.choice((1, 1, 1, 2, 3))):
            self._change(*self.rng.choice(_spots(root)))
            if not root:
                return self.hostile()
        return root[0]

    def hostile(self) -> Any:
        """Return something that is rarely expected anywhere."""
        match self.rng.randrange(4):
            case 0:
                return self.rng.choice(HOSTILE_TEXTS)
            case 1:
                return Raw(self.rng.choice(HOSTILE_TOKENS))
            case _:
                return _copy(self.rng.choice(HOSTILE_VALUES))

    def text(self, text: str) -> str:
        """Return a text with one to four changes of its letters."""
        for _ in range(self.rng.choice((1, 1, 2, 4))):
            text = self._one_change(text)
        return text

    def data(self, data: bytes) -> bytes:
        """Return bytes with one to four changes."""
        changed = bytearray(data)
        for _ in range(self.rng.choice((1, 1, 2, 4))):
            start, end = self._slice(len(changed))
            match self.rng.randrange(4):
                case 0 if changed:
                    changed[min(start, len(changed) - 1)] ^= 1 << self.rng.randrange(8)
                case 1:
                    del changed[start:end]
                case 2:
                    changed[start:start] = changed[start:end]
                case _:
                    changed[start:start] = self.rng.randbytes(self.rng.randrange(1, 5))
        return bytes(changed)

    def _change(self, holder: Any, key: Any) -> None:
        found = holder[key]
        match self.rng.randrange(7):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, list):
                holder.insert(key, _copy(found))
            case 1:
                holder[self.rng.choice(HOSTILE_TEXTS)] = found
            case 2 if isinstance(found, list | dict) and found:
                self._grow(found)
            case 3 if isinstance(found, str | int):
                holder[key] = self._neighbour(found)
            case 4 if isinstance(found, str):
                holder[key] = self._one_change(found)
            case 5:
                holder[key] = self.rng.choice(([found], {"a": found}, "0", [found, found]))
            case _:
                holder[key] = self.hostile()

    def _grow(self, found: Any) -> None:
        times = self.rng.choice((2, 5, 30, 600)) if self.is_so(0.1) else 2
        if isinstance(found, list):
            found += [_copy(found[0]) for _ in range(times)]
        else:
            found |= {f"{next(iter(found))}{number}": self.hostile() for number in range(min(times, 30))}

    def _neighbour(self, found: str | int) -> Any:
        """Return something of the same type, near by."""
        if isinstance(found, int):
            return found + self.rng.choice((-(2**53), -86_400, -1, 1, 60, 900, 86_400, 2**31, 2**53))
        if _HEX.fullmatch(found):
            return self.rng.choice(
                (
                    found.upper(),
                    found[:-1],
                    found + "0",
                    found[:-1] + "g",
                    found[:-1] + "\n",
                    " " + found[1:],
                    found * 2,
                )
            )
        return self.rng.choice((found * 2, found[: len(found) // 2], found.upper(), found + "\n", found[::-1]))

    def _one_change(self, text: str) -> str:
        start, end = self._slice(len(text))
        match self.rng.randrange(7):
            case 0:
                return text[:start] + text[end:]
            case 1:
                return text[:start] + text[start:end] * 2 + text[end:]
            case 2:
                return text[:start] + self.rng.choice(HOSTILE_TEXTS) + text[end:]
            case 3:
                return text[:start] + self.rng.choice(HOSTILE_TOKENS) + text[end:]
            case 4:
                letter = chr(self.rng.choice((self.rng.randrange(128), self.rng.randrange(0x3000))))
                return text[:start] + letter + text[start + 1 :]
            case 5 if self.is_so(0.1):
                return text[:end] + text[start:end] * min(200, 3000 // max(1, end - start)) + text[end:]
            case _:
                return (
                    self.data(text[: end + 40].encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
                    + (text[end + 40 :])
                )

    def _slice(self, length: int) -> tuple[int, int]:
        start = self.rng.randrange(length + 1)
        return start, min(length, start + self.rng.choice((1, 1, 2, 8, 64, length)))

    def _with_doubled_key(self, text: str) -> str:
        keys = list(re.finditer(r'"[a-z_]+"\s*:', text[:2000]))
        if not keys:
            return text
        key = self.rng.choice(keys)
        return text[: key.start()] + key[0] + self.rng.choice(("1", "null", '"a"')) + "," + text[key.start() :]


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(member) for key, member in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list | tuple) else value


def _spots(value: Any) -> list[tuple[Any, Any]]:
    """Return every place in a value as its holder and its key or position, at most a thousand of them."""
    spots: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting and len(spots) < 1000:
        holder = waiting.pop()
        pairs = holder.items() if isinstance(holder, dict) else enumerate(holder)
        for key, member in pairs:
            spots.append((holder, key))
            if isinstance(member, list | dict):
                waiting.append(member)
    return spots

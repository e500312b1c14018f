"""What may come of hostile input: the refusals that are foreseen, in words of our own, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.fuzz.mutation import MARKER

LONGEST_REFUSAL: Final = 400

_INTERNAL = re.compile(
    r"[A-Za-z]\(['\"]|Traceback|File \"|\.py\b|0x[0-9a-f]{6,}|(?i:sqlite)|SELECT |INSERT |UPDATE |gift_wraps"
    r"|[a-z](Error|Exception)\b|<class|<function|object at|NoneType|subscriptable|unhashable|has no attribute"
    r"|positional argument|codec can't|\bnips\.|\bbridge\.relay|\bstorage\.|/(?:home|tmp|usr|work)/|site-packages"
)


class Finding(AssertionError):
    """A rule that hostile input has broken."""


def check_words(words: str, *, longest: int = LONGEST_REFUSAL) -> None:
    """Raise `Finding` unless a text may be shown to a stranger: short, printable, ours, and of nobody else."""
    if not words or len(words) > longest:
        raise Finding(f"a refusal of {len(words)} characters")
    if not words.isprintable():
        raise Finding("a refusal with characters that do not print")
    if MARKER in words:
        raise Finding("a refusal quotes what was sent")
    if found := _INTERNAL.search(words):
        raise Finding(f"a refusal tells what is inside: {found[0]!r}")


def check_refusal(refusal: Exception) -> None:
    """Raise `Finding` unless the text of a refusal may be shown to a stranger."""
    check_words(str(refusal))


@dataclass(frozen=True, slots=True)
class Target:
    """Something that reads what a stranger wrote."""

    name: str
    read: Callable[[str], object]
    """Reads a case; whatever it returns, it has itself compared with what other readers make of the case."""
    refusals: tuple[type[Exception], ...]
    """All that reading may raise."""
    dressed: Callable[[str], str] = str
    """From any text at all to a case, for a fuzzer that knows nothing of keys and check sums."""
    judge: Callable[[Exception], None] = check_refusal
    """Looks at a refusal."""


def examine(target: Target, case: str) -> bool:
    """Have a case read and tell whether it was taken; raise whatever is not foreseen."""
    try:
        target.read(case)
    except target.refusals as refusal:
        target.judge(refusal)
        return False
    return True


def equal(found: object, wanted: object, rule: str) -> None:
    """Raise `Finding` unless two values are the same, types included: to `==` 1, 1.0 and True are one."""
    if not is_same(found, wanted):
        raise Finding(rule)


def is_same(one: object, other: object) -> bool:
    """Tell whether two JSON values are the same; order of keys aside."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    # 0.0 and -0.0 are written differently.
    return repr(one) == repr(other) if isinstance(one, float) else one == other

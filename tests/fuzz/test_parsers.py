"""Every parser under mutants of good material: only foreseen refusals, and what is taken keeps its meaning.

The cases are the same in every run; `make fuzz` tries others. What once went wrong stays in `corpus/`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest

from nips.errors import InvalidJson
from tests.fuzz.cases import CASES, a_case
from tests.fuzz.judging import Finding, Target, check_words, examine
from tests.fuzz.mutation import MARKER
from tests.fuzz.parsers import PARSERS

SEED: Final = 3
MUTANTS: Final = 400
"""Of each parser; `test_campaign` has many more."""

CORPUS: Final = sorted((Path(__file__).parent / "corpus").glob("*/*"))


@pytest.mark.parametrize("name", PARSERS)
def test_mutants_are_refused_in_foreseen_words_or_read_with_their_meaning(name: str) -> None:
    taken = 0
    for number in range(MUTANTS):
        case = a_case(name, seed=SEED, number=number)
        try:
            taken += examine(PARSERS[name], case)
        except Exception as error:
            error.add_note(f"{name}, seed {SEED}, case {number}: {case[:500]!r}")
            raise
    # Both ways are gone often enough: mutants that all die at the first gate would try nothing behind it.
    assert taken >= 2


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_case_that_once_went_wrong_stays_right(file: Path) -> None:
    examine(PARSERS[file.parent.name], file.read_bytes().decode("utf-8", "surrogatepass"))


def test_every_parser_has_its_cases() -> None:
    assert CASES.keys() == PARSERS.keys()


def test_case_depends_on_target_seed_and_number_alone() -> None:
    for name in CASES:
        assert a_case(name, seed=1, number=2) == a_case(name, seed=1, number=2)
    assert len({a_case("wrap", seed=seed, number=number) for seed in range(3) for number in range(3)}) == 9


def _raising(error: Exception) -> Target:
    def read(case: str) -> None:
        raise error

    return Target("broken", read, (InvalidJson,))


@pytest.mark.parametrize("error", [KeyError("id"), RecursionError(), MemoryError(), AssertionError(), ValueError("x")])
def test_error_that_is_not_foreseen_comes_out(error: Exception) -> None:
    with pytest.raises(type(error)):
        examine(_raising(error), "")


@pytest.mark.parametrize(
    "words",
    [
        "",
        "x" * 401,
        "two\nlines",
        f"not {MARKER}",
        "KeyError: 'id'",
        "'NoneType' object is not subscriptable",
        "no such table: sqlite_master",
        'File "/usr/lib/x"',
        "at nips.event",
        "<class 'int'>",
    ],
)
def test_words_that_are_not_for_strangers_are_found(words: str) -> None:
    with pytest.raises(Finding):
        examine(_raising(InvalidJson(words)), "")


def test_words_of_our_own_pass() -> None:
    check_words("created_at: not an integer from 0 to 9007199254740991")
    check_words("restricted: these wraps are for another key")


@pytest.mark.parametrize("value", [1.0, True, "1", [1], -0.0, None])
def test_reader_that_changes_a_type_is_found(value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.parsers.parse", lambda text, **_: value)
    with pytest.raises(Finding):
        examine(PARSERS["json"], "1")


@pytest.mark.parametrize("text", ['{"a":1,"a":1}', "[NaN]", "9007199254740992", '"\\ud800"', "[" * 33 + "]" * 33])
def test_reader_that_takes_too_much_is_found(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.parsers.parse", lambda text, **_: json.loads(text))
    with pytest.raises(Finding):
        examine(PARSERS["json"], text)

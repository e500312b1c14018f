"""The bound is made of the operations that it names, and of nothing else."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType

import pytest

from bench import bound
from bench.rounds import Work


@pytest.mark.parametrize(
    ("make", "operation"),
    [(bound.opening, "secp256k1_schnorrsig_verify"), (bound.wrapping, "secp256k1_schnorrsig_sign")],
)
def test_three_wraps_are_six_of_each_operation(make: Callable[[], Work], operation: str) -> None:
    assert _calls(make()) == {"secp256k1_ecdh": 6, operation: 6}


def _calls(work: Work) -> Counter[str]:
    called = Counter[str]()

    def note(_: FrameType, event: str, what: object) -> None:
        if event == "c_call":
            called[getattr(what, "__name__", str(what))] += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        done = work(3)
    finally:
        sys.setprofile(before)
    assert done == 3
    called.pop("setprofile", None)
    return called


def test_known_party_spares_one_ecdh() -> None:
    for work in (bound.opening(ecdh=1), bound.wrapping(ecdh=1)):
        assert _calls(work)["secp256k1_ecdh"] == 3


def test_both_directions_are_slower_than_either() -> None:
    assert bound.both()(0.01) > 0

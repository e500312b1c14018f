"""One tree holds everything that can be wrong with what a peer sent."""

from __future__ import annotations

import inspect

import pytest

from nips import errors
from nips.errors import NipError

CLASSES = [value for value in vars(errors).values() if inspect.isclass(value)]
LEAVES = [value for value in CLASSES if value is not NipError]


@pytest.mark.parametrize("leaf", LEAVES)
def test_every_error_is_a_nip_error(leaf: type[Exception]) -> None:
    assert issubclass(leaf, NipError)


def test_nip_error_is_a_value_error_so_that_parsers_read_alike() -> None:
    assert issubclass(NipError, ValueError)


@pytest.mark.parametrize("one", LEAVES)
def test_leaves_catch_nothing_of_each_other(one: type[Exception]) -> None:
    assert [other for other in LEAVES if issubclass(one, other)] == [one]


@pytest.mark.parametrize("found", CLASSES)
def test_head_of_the_module_lists_the_tree(found: type[Exception]) -> None:
    assert found.__name__ in (errors.__doc__ or "").split()

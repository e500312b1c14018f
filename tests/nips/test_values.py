"""What holds for every value of nips: it does not change, and has no place for more."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil

import pytest

import nips

MODULES = [importlib.import_module(f"nips.{module.name}") for module in pkgutil.iter_modules(nips.__path__)]
VALUES = sorted(
    {
        value
        for module in MODULES
        for value in vars(module).values()
        if inspect.isclass(value) and dataclasses.is_dataclass(value)
    },
    key=lambda value: value.__qualname__,
)


def test_values_are_found() -> None:
    assert {"Event", "Filter", "Rumor", "Profile", "Limitation", "Publish"} <= {value.__name__ for value in VALUES}


@pytest.mark.parametrize("value", VALUES)
def test_value_is_frozen_and_has_slots(value: type) -> None:
    assert vars(value)["__dataclass_params__"].frozen
    assert "__slots__" in vars(value)

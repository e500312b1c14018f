"""Words of the log's settings."""

from __future__ import annotations

import logging

from bridge.settings.upkeep import LogLevel


def test_levels_are_those_of_the_logging_module() -> None:
    for level in LogLevel:
        assert isinstance(logging.getLevelNamesMapping()[level.name], int)

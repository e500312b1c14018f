"""What is wrong at the moment, by the name of the part that says so.

Parts report here when they fail and when they work again; readiness, status and notices to the operator read it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Condition:
    """One part in trouble."""

    problem: str
    """What is wrong and what to do about it, for the operator: no secret, no key, nobody's name."""
    is_down: bool
    """Requests cannot be answered because of it; else others take over, or only some notice."""


class Conditions:
    """The parts in trouble. A name stands for a part that the settings made, so there are only so many."""

    def __init__(self) -> None:
        self._conditions: dict[str, Condition] = {}

    def set(self, name: str, problem: str | None, *, is_down: bool = False) -> None:
        """Report a part's problem, or None when it works; saying the same again changes nothing."""
        known = self._conditions.get(name)
        condition = None if problem is None else Condition(problem, is_down)
        if condition == known:
            return
        if condition is None:
            del self._conditions[name]
            log.info("works again", extra={"facts": {"part": name}})
            return
        self._conditions[name] = condition
        if known is None or known.is_down != is_down:
            log.warning("down" if is_down else "degraded", extra={"facts": {"part": name, "problem": problem}})

    @property
    def problems(self) -> Mapping[str, str]:
        """What is wrong, by name, in the order in which it began."""
        return {name: condition.problem for name, condition in self._conditions.items()}

    @property
    def down(self) -> Mapping[str, str]:
        """The same, of those alone that keep requests from being answered."""
        return {name: condition.problem for name, condition in self._conditions.items() if condition.is_down}

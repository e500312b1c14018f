"""Steps: which one a stack belongs to, and what they cost together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import steps
from bench.stacks import Stack
from bench.steps import REST, STEPS, NeverSeen, Step, bounds, costs, markdown, step_of

# Seen while it answered one request after another by accounts that it knew; each was put to its step by hand.
RECORDED = json.loads(Path(__file__).with_name("recorded_stacks.json").read_text("utf-8"))


def stacks_of(step: str) -> list[Stack]:
    return [tuple(line.split(";")) for line in RECORDED[step]]


@pytest.mark.parametrize("step", STEPS)
def test_stack_of_the_running_program_belongs_to_its_step(step: str) -> None:
    assert [step_of(stack) for stack in stacks_of(step)] == [step] * 3


def test_frame_that_opens_is_not_taken_for_one_that_wraps() -> None:
    assert step_of(("thread (1): MainThread", "LocalSealing.open (bridge/sealing.py:67)", "wrap (x.py:1)")) == (
        "open the request"
    )


def test_stack_of_nothing_known_is_the_rest() -> None:
    assert step_of(("thread (1): MainThread", "<module> (switchboard:1)")) == REST


def test_costs_add_up_and_the_dearest_comes_first() -> None:
    each = {stack: 0.0001 for step in STEPS for stack in stacks_of(step)}
    dearest = stacks_of("dispatch")[0]
    found = costs({**each, dearest: 0.001})
    assert {step.name for step in found} == STEPS.keys()
    assert found[0].name == "dispatch"
    assert sum(step.microseconds for step in found) == pytest.approx(100 * len(each) + 900)


def test_step_that_nothing_was_seen_of_gives_no_figures() -> None:
    each = {stack: 0.0001 for step in STEPS for stack in stacks_of(step) if step != "verify the wrap"}
    with pytest.raises(NeverSeen, match="nothing was seen of verify the wrap:"):
        costs(each)


def test_every_bound_is_of_a_step() -> None:
    limits = bounds(0.001)
    assert limits.keys() <= STEPS.keys()
    assert limits["open the request"][0] == "1 ECDH + 1 verify", "those who ask have asked before"
    assert all(microseconds > 0 for _, microseconds in limits.values())


def test_steps_are_kept_as_they_were(tmp_path: Path) -> None:
    made = [Step("verify the wrap", 57.2, "1 verify", 25.1), Step("event loop", 24.0)]
    steps.write(made, tmp_path / "steps.json")
    assert list(steps.read(tmp_path / "steps.json")) == made
    table = markdown(made).splitlines()
    assert table[2:4] == ["| verify the wrap | 57 | 1 verify | 25 |", "| event loop | 24 |  |  |"]
    assert "**81**" in table[-1]

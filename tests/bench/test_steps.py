"""Steps: which one a stack belongs to, and what they cost together."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import steps
from bench.steps import REST, STEPS, Step, bounds, costs, markdown, step_of

ANSWERING = ("<module> (switchboard:1)", "Handle._run (asyncio/events.py:78)", "Inbox._answer (bridge/inbox.py:160)")
ADMITTING = ("<module> (switchboard:1)", "Admission.consider (bridge/relay/admission.py:102)")


@pytest.mark.parametrize(
    ("stack", "step"),
    [
        ((*ANSWERING, "open_wrap (nips/nip59.py:156)", "verify (nips/keys.py:52)"), "open the request"),
        ((*ADMITTING, "verify_event (nips/event.py:132)", "verify (nips/keys.py:52)"), "verify the wrap"),
        (
            (*ANSWERING, "Outbox.send (bridge/outbox.py:9)", "wrap_rumor (client/wrapping.py:20)"),
            "seal and wrap the answer",
        ),
        (
            (*ANSWERING, "Outbox.send (bridge/outbox.py:9)", "Subscriptions.deliver (bridge/relay/subscriptions.py:9)"),
            "deliver the answer",
        ),
        ((*ANSWERING, "SqliteRequests.find (storage/requests.py:27)"), "look up request, caller, permits"),
        ((*ANSWERING, "SqliteRequests.commit (storage/requests.py:50)"), "write: inbox and answer"),
        (
            ("Thread._bootstrap (threading.py:988)", "Writer._perform_all (storage/writer.py:28)"),
            "write: inbox and answer",
        ),
        ((*ANSWERING, "Turn.act (bridge/services/turn.py:30)", "digest (hmac.py:187)"), "act: make the credentials"),
        ((*ANSWERING, "Logger.info (logging/__init__.py:1489)"), "log and count"),
        (ANSWERING, "dispatch"),
        (ANSWERING[:2], "event loop"),
        (ANSWERING[:1], REST),
    ],
)
def test_stack_belongs_to_the_step_that_needs_it(stack: tuple[str, ...], step: str) -> None:
    assert step_of(stack) == step


def test_costs_add_up_and_the_dearest_comes_first() -> None:
    found = costs({ANSWERING: 0.0001, ADMITTING: 0.0003, ANSWERING[:1]: 0.0006})
    assert [step.name for step in found] == [REST, "socket and websocket", "dispatch"]
    assert sum(step.microseconds for step in found) == pytest.approx(1000)


def test_every_bound_is_of_a_step() -> None:
    limits = bounds(0.001)
    assert limits.keys() <= STEPS.keys()
    assert all(microseconds > 0 for _, microseconds in limits.values())


def test_steps_are_kept_as_they_were(tmp_path: Path) -> None:
    made = [Step("verify the wrap", 57.2, "1 verify", 25.1), Step("event loop", 24.0)]
    steps.write(made, tmp_path / "steps.json")
    assert list(steps.read(tmp_path / "steps.json")) == made
    table = markdown(made).splitlines()
    assert table[2:4] == ["| verify the wrap | 57 | 1 verify | 25 |", "| event loop | 24 |  |  |"]
    assert "**81**" in table[-1]

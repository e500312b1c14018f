"""What services return."""

from __future__ import annotations

from bridge.services.service import Fact, Outcome


def test_an_outcome_shows_no_result() -> None:
    shown = repr(Outcome({"turn_password": "planted"}, [Fact("call_relay.credentials_issued")]))
    assert "planted" not in shown
    assert "call_relay.credentials_issued" in shown


def test_a_fact_needs_no_payload() -> None:
    assert Fact("name").payload == {}
    assert Outcome({}).facts == ()

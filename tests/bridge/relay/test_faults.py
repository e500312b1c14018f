"""What the log says about faults of ours."""

from __future__ import annotations

import logging

import pytest

from bridge.relay.faults import note_fault


def test_log_names_class_and_line_and_nothing_that_a_client_sent(caplog: pytest.LogCaptureFixture) -> None:
    nothing: dict[str, str] = {}
    try:
        nothing["a recipient's key"]
    except KeyError as error:
        note_fault(logging.getLogger("test"), error)
    (record,) = caplog.records
    facts = vars(record)["facts"]
    assert facts["error"] == "KeyError"
    assert facts["at"].startswith("test_faults.py:")
    assert "recipient" not in f"{record.getMessage()}{facts}{record.exc_info}"

"""Events carry what the catalogue lists, and accounts by pseudonym only."""

from __future__ import annotations

import logging

import pytest

from bridge.events import CountingSink, Events, LogSink
from bridge.pseudonyms import Pseudonyms
from protocol.catalogue import load_catalogue

PSEUDONYMS = Pseudonyms(bytes(32))
ALICE = "a1" * 32


class Notes:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, object]]] = []

    def record(self, name: str, payload: object) -> None:
        assert isinstance(payload, dict)
        self.taken.append((name, payload))


def test_an_account_becomes_its_pseudonym() -> None:
    notes = Notes()
    Events(load_catalogue(), PSEUDONYMS, (notes,)).emit("call_relay.rate_limited", account=ALICE)
    assert notes.taken == [("call_relay.rate_limited", {"account_id": PSEUDONYMS.of_account(ALICE)})]


def test_every_sink_is_told() -> None:
    notes, counts = Notes(), CountingSink()
    events = Events(load_catalogue(), PSEUDONYMS, (notes, counts, counts))
    events.emit("call_relay.provider_error", account=ALICE, http_status=503)
    assert notes.taken[0][1] == {"account_id": PSEUDONYMS.of_account(ALICE), "http_status": 503}
    assert counts.counts == {"call_relay.provider_error": 2}


@pytest.mark.parametrize("facts", [{}, {"turn_ttl_seconds": 1, "turn_username": "x"}, {"ttl": 1}])
def test_an_event_carries_exactly_what_is_listed(facts: dict[str, object]) -> None:
    counts = CountingSink()
    with pytest.raises(ValueError, match="carries exactly"):
        Events(load_catalogue(), PSEUDONYMS, (counts,)).emit("call_relay.credentials_issued", account=ALICE, **facts)
    assert not counts.counts


def test_an_event_that_names_no_account_is_refused_where_one_is_listed() -> None:
    with pytest.raises(ValueError, match="carries exactly"):
        Events(load_catalogue(), PSEUDONYMS, ()).emit("call_relay.rate_limited")


def test_an_event_that_the_catalogue_does_not_know_is_refused() -> None:
    with pytest.raises(KeyError):
        Events(load_catalogue(), PSEUDONYMS, ()).emit("call_relay.something", account=ALICE)


def test_the_log_gets_name_and_payload(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        Events(load_catalogue(), PSEUDONYMS, (LogSink(),)).emit("call_relay.rate_limited", account=ALICE)
    (record,) = caplog.records
    assert record.getMessage() == "call_relay.rate_limited"
    assert vars(record)["facts"] == {"account_id": PSEUDONYMS.of_account(ALICE)}

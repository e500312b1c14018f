"""Errors of the client: what each says to whoever reads it."""

from __future__ import annotations

import pytest

from client.errors import (
    BridgeRefusal,
    BridgeSilent,
    BridgeUnreachable,
    CallFailed,
    ClientError,
    InvalidResponse,
    LinkFull,
    Refusal,
    TooManyCalls,
)
from client.publications import Outcome, Verdict

REFUSAL = Refusal(code="BRIDGE_RATE_LIMITED", status=429, message="Wait.", retry=True, data={"secret": 1})
VERDICTS = {
    "wss://one.example": Verdict(Outcome.ACCEPTED),
    "wss://two.example": Verdict(Outcome.REFUSED, "blocked: no"),
}


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (BridgeRefusal(REFUSAL), "BRIDGE_RATE_LIMITED (429): Wait."),
        (BridgeSilent(30.0, VERDICTS), "no answer within 30 seconds; 1 of 2 relays that were reached took the request"),
        (BridgeUnreachable(VERDICTS), "no relay takes the request or gives us the answer"),
    ],
)
def test_error_says_what_happened(error: CallFailed, sentence: str) -> None:
    assert str(error) == sentence


def test_errors_keep_the_facts() -> None:
    assert BridgeRefusal(REFUSAL).refusal is REFUSAL
    assert BridgeSilent(1, VERDICTS).verdicts == VERDICTS
    assert BridgeUnreachable(VERDICTS).verdicts == VERDICTS


@pytest.mark.parametrize("kind", [BridgeRefusal, BridgeSilent, BridgeUnreachable, InvalidResponse, TooManyCalls])
def test_every_way_a_call_fails_is_caught_at_once(kind: type[Exception]) -> None:
    assert issubclass(kind, CallFailed)
    assert issubclass(CallFailed, ClientError)


def test_full_link_is_no_failed_call() -> None:
    assert issubclass(LinkFull, ClientError)
    assert not issubclass(LinkFull, CallFailed)


def test_data_of_a_refusal_stays_out_of_logs() -> None:
    assert "secret" not in repr(REFUSAL)

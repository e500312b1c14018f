"""What is said about an exchange, for each way that it can go."""

from __future__ import annotations

import pytest

from bridge.doctor.exchange import Exchange, Reading
from bridge.doctor.findings import Severity
from bridge.doctor.round_trip import Place, is_unauthenticable, judge
from client.authentication import AuthState
from client.publications import Outcome, Verdict
from tests.bridge.doctor.examining import bad, the

URL = "wss://relay.example.org"
TAKEN = Verdict(Outcome.ACCEPTED)
NOBODY = {"strangers_stored": Reading.REFUSED, "strangers_live": Reading.NOTHING}


def an_exchange(**changes: object) -> Exchange:
    """Return an exchange in which all went well, but for the changes."""
    well = {
        "is_open": True,
        "auth": AuthState.ACCEPTED,
        "kept": TAKEN,
        "passed": TAKEN,
        "stored": Reading.GOT,
        "live": Reading.GOT,
        **NOBODY,
        "took_seconds": 0.0123,
    }
    return Exchange(**{**well, **changes})  # type: ignore[arg-type]


def test_good_relay_has_nothing_to_mend() -> None:
    findings = judge(Place(URL), an_exchange())
    assert bad(findings) == []
    assert [finding.found for finding in findings] == [
        "1059: published and read back with AUTH, 12 ms",
        "21059: passed on live",
        "wraps are for their recipient alone",
    ]


def test_relay_without_a_websocket_is_one_problem() -> None:
    (finding,) = judge(Place(URL), Exchange(is_open=False, failure="HTTP 403"))
    assert finding.severity is Severity.PROBLEM
    assert "HTTP 403" in finding.found


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        (AuthState.UNANSWERED, ("auth-required: x", "ERROR: auth failed: relay needs serviceUrl to be configured")),
        (AuthState.UNANSWERED, ("auth-required: x",)),
        (None, ("auth-required: x",)),
    ],
)
def test_strfry_without_service_url_is_named_with_what_to_set(auth: AuthState | None, words: tuple[str, ...]) -> None:
    seen = an_exchange(auth=auth, stored=Reading.REFUSED, words=words)
    assert is_unauthenticable(seen)
    finding = the(judge(Place(URL), seen), "wants AUTH before it gives it back")
    assert finding.severity is Severity.PROBLEM
    assert f'auth.serviceUrl = "{URL}"' in finding.fix
    assert "restrictedReadKinds" in finding.fix
    assert "upstream.relays" in finding.fix


def test_relay_that_refuses_our_auth_is_no_such_trap() -> None:
    seen = an_exchange(auth=AuthState.REFUSED, stored=Reading.REFUSED, words=("auth-required: x", "invalid: relay"))
    assert not is_unauthenticable(seen)
    finding = the(judge(Place(URL), seen), "refuses our AUTH")
    assert "“invalid: relay”" in finding.found
    assert "upstream.relays" in finding.fix


@pytest.mark.parametrize(
    ("reading", "words"),
    [(Reading.NOTHING, "does not have it"), (Reading.REFUSED, "does not let us"), (Reading.SILENT, "does not answer")],
)
def test_wrap_that_was_taken_and_does_not_come_back_is_a_problem(reading: Reading, words: str) -> None:
    finding = the(judge(Place(URL), an_exchange(stored=reading)), words)
    assert finding.severity is Severity.PROBLEM
    assert finding.fix


def test_live_wrap_that_is_not_passed_on_is_a_problem() -> None:
    (finding,) = bad(judge(Place(URL), an_exchange(live=Reading.NOTHING)))
    assert finding.found.startswith("21059: it takes a live wrap, and does not pass it on")


@pytest.mark.parametrize(
    ("verdict", "severity", "found", "fix"),
    [
        (Verdict(Outcome.REFUSED, "blocked: no"), Severity.PROBLEM, "“blocked: no”", "any author"),
        (Verdict(Outcome.REFUSED, "pow: 20 bits"), Severity.PROBLEM, "work (NIP-13)", "admit wraps"),
        (Verdict(Outcome.REFUSED, "invalid: ephemeral event expired"), Severity.PROBLEM, "for its time", "clock"),
        (Verdict(Outcome.RATE_LIMITED, "rate-limited: x"), Severity.WARNING, "no more from us", "later"),
        (Verdict(Outcome.AUTH_REQUIRED, "auth-required: x"), Severity.PROBLEM, "without AUTH", "admit"),
        (Verdict(Outcome.FAILED, "error: disk"), Severity.PROBLEM, "trouble of its own", "operator"),
    ],
)
def test_refusals_are_told_with_their_reason_and_fix(
    verdict: Verdict, severity: Severity, found: str, fix: str
) -> None:
    finding = the(judge(Place(URL), an_exchange(passed=verdict)), "21059: ")
    assert finding.severity is severity
    assert found in finding.found
    assert fix in finding.fix
    assert finding.fix.endswith("or take the relay out of upstream.relays") is (severity is Severity.PROBLEM)


def test_relay_that_says_nothing_is_one_problem() -> None:
    (finding,) = judge(Place(URL), Exchange(is_open=True))
    assert "neither yes nor no" in finding.found


def test_wraps_that_strangers_read_are_a_warning_that_names_the_kinds() -> None:
    seen = an_exchange(strangers_stored=Reading.GOT, strangers_live=Reading.GOT)
    (finding,) = bad(judge(Place(URL, software="https://github.com/hoytech/strfry"), seen))
    assert finding.severity is Severity.WARNING
    assert finding.found.startswith("1059 and 21059: ")
    assert 'restrictedReadKinds = "4, 1059, 21059"' in finding.fix
    (finding,) = bad(judge(Place(URL), an_exchange(strangers_live=Reading.GOT)))
    assert finding.found.startswith("21059: ")
    assert "most relays forget 21059" in finding.fix


def test_our_own_relay_is_never_to_be_taken_out() -> None:
    place = Place("ws://127.0.0.1:7447", is_ours=True)
    for seen in (
        an_exchange(strangers_stored=Reading.GOT),
        an_exchange(passed=Verdict(Outcome.FAILED, "error: this relay is full")),
        an_exchange(stored=Reading.NOTHING),
    ):
        for finding in bad(judge(place, seen)):
            assert "upstream" not in finding.fix
    (finding,) = bad(judge(place, an_exchange(strangers_stored=Reading.GOT)))
    assert "compat.read_without_auth" in finding.fix

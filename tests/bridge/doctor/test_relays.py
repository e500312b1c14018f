"""Relays of others, looked at as a whole: from the document to our own lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.doctor.exchange import Exchange
from bridge.doctor.findings import Severity
from bridge.doctor.page import Page
from bridge.doctor.relays import check_relay, document_of, judge_document, judge_lists
from bridge.doctor.subject import Subject
from client.clock import SystemClock
from nips import kinds
from nips.nip11 import Limitation, RelayInformation
from nips.nip17 import make_inbox_relays
from nips.nip65 import RelayList, make_relay_list
from tests.bridge.doctor.examining import a_subject, bad, found_by, the, upstream
from tests.interop.bridge.peers import running_script
from tests.support.bridges import a_bridge
from tests.support.odd_relay import NO_SERVICE_URL, OddRelay
from tests.support.peers import nostr_relay
from tests.support.wraps import BRIDGE, drawn

URL = "wss://relay.example.org"
NOW = SystemClock().now()
STRFRY = {"software": "git+https://github.com/hoytech/strfry.git", "version": "1.2.0"}


async def at(folder: Path, url: str) -> Subject:
    return await a_subject(folder, **upstream(url))


async def test_good_relay_is_well_but_for_lists_that_nobody_published(tmp_path: Path) -> None:
    async with OddRelay(document=STRFRY) as relay:
        findings = await found_by(check_relay(await at(tmp_path, relay.url), relay.url))
    (lists,) = bad(findings)
    assert (lists.check, lists.severity) == ("lists", Severity.WARNING)
    assert "10050 and 10002 are not there" in lists.found
    assert "git+https://github.com/hoytech/strfry.git 1.2.0" in findings[0].found


async def test_strfry_without_service_url_is_found_with_what_to_set(tmp_path: Path) -> None:
    odd = OddRelay(protected=frozenset({kinds.GIFT_WRAP}), auth_notice=NO_SERVICE_URL, document=STRFRY)
    async with odd as relay:
        findings = await found_by(check_relay(await at(tmp_path, relay.url), relay.url))
    finding = the(findings, "wants AUTH before it gives it back, and accepts none")
    assert finding.severity is Severity.PROBLEM
    assert "needs serviceUrl" in finding.found
    assert f'auth.serviceUrl = "{relay.url}"' in finding.fix
    strangers = the(findings, "21059: whoever asks gets them")
    assert 'auth.restrictedReadKinds = "4, 1059, 21059"' in strangers.fix


@pytest.mark.parametrize(
    ("oddities", "words"),
    [
        ({"protected": frozenset({1059}), "challenges": False}, "sends no challenge"),
        ({"auth_refusal": "invalid: relay: not this relay"}, "refuses our AUTH"),
        ({"lost": frozenset({1059})}, "does not have it afterwards"),
        ({"lost": frozenset({21059})}, "does not pass it on"),
        ({"refusals": {1059: "blocked: pubkey not admitted"}}, "“blocked: pubkey not admitted”"),
        ({"refusals": {21059: "invalid: ephemeral event expired"}}, "for its time"),
        ({"silent": True}, "neither yes nor no"),
    ],
)
async def test_each_fault_of_a_relay_is_one_problem_with_a_fix(
    tmp_path: Path, oddities: dict[str, object], words: str
) -> None:
    async with OddRelay(**oddities) as relay:
        findings = await found_by(check_relay(await at(tmp_path, relay.url), relay.url))
    finding = the(findings, words)
    assert finding.severity is Severity.PROBLEM
    assert finding.fix


async def test_relay_that_is_gone_is_one_finding(tmp_path: Path) -> None:
    async with OddRelay() as relay:
        url = relay.url
    (finding,) = await found_by(check_relay(await at(tmp_path, url), url))
    assert (finding.severity, finding.found) == (Severity.PROBLEM, "nobody listens there")
    assert "upstream.relays" in finding.fix


async def test_relays_that_others_wrote_are_found_to_be_what_they_are(tmp_path: Path) -> None:
    async with running_script("local_relay.py") as relays, nostr_relay(tmp_path) as python:
        found = {
            url: bad(await found_by(check_relay(await at(tmp_path / str(number), url), url)))
            for number, url in enumerate([relays["open"], relays["protected"], relays["closed"], python])
        }
    of_all = [[finding.found.partition(":")[0] for finding in findings] for findings in found.values()]
    lists = "our 10050 and 10002 are not there for others to read"
    assert of_all == [["1059 and 21059", lists], ["21059", lists], [lists], ["1059 and 21059", lists]]


async def test_running_bridge_publishes_what_is_looked_for(tmp_path: Path) -> None:
    async with OddRelay() as relay:
        subject = await at(tmp_path, relay.url)
        async with a_bridge(subject.home, subject.settings):
            while len({event.kind for event in relay.events} & {10002, 10050}) < 2:
                await relay.changed()
            findings = await found_by(check_relay(subject, relay.url))
    assert bad(findings) == []
    assert the(findings, "our 10050 and 10002 are there").severity is Severity.OK


def test_document_that_asks_for_what_we_do_not_have_is_a_warning() -> None:
    page = Page(200, {}, "", 0.01, 0.0, None)
    limitation = Limitation(min_pow_difficulty=20, payment_required=True, created_at_lower_limit=3600)
    first, *others = judge_document(URL, page, RelayInformation(name="a\x1b[1m", limitation=limitation))
    assert first.found == "answers in 10 ms (a[1m)"
    assert [finding.severity for finding in others] == [Severity.WARNING] * 3
    assert ["20 bits" in others[0].found, "paid" in others[1].found, "3600 seconds" in others[2].found] == [True] * 3


def test_only_a_document_is_one() -> None:
    page = Page(200, {}, '{"name": "x"}', 0.0, 0.0, None)
    assert (document_of(page) or RelayInformation()).name == "x"
    assert document_of(Page(404, {}, '{"name": "x"}', 0.0, 0.0, None)) is None
    assert document_of(Page(200, {}, "<html>", 0.0, 0.0, None)) is None


def test_lists_are_compared_with_the_settings() -> None:
    here = make_inbox_relays(BRIDGE, [f"{URL}/"], created_at=NOW, aux=drawn("aux"))
    there = make_relay_list(BRIDGE, RelayList([URL], [URL]), created_at=NOW, aux=drawn("aux"))
    old = make_inbox_relays(BRIDGE, ["wss://old.example.org"], created_at=NOW - 1, aux=drawn("aux"))

    def judged(*events: object, announced: list[str]) -> str:
        (finding,) = judge_lists(URL, Exchange(is_open=True, lists=events), announced)  # type: ignore[arg-type]
        return finding.found

    assert judged(here, there, old, announced=[URL]) == "our 10050 and 10002 are there"
    assert "names other relays" in judged(old, there, announced=[URL])
    assert judged(here, announced=[URL]).startswith("our 10002 is not there")

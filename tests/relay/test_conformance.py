"""Hold our relay to every check, and the checks to relays that others wrote."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import pytest
import pytest_asyncio

from bridge.settings.tree import Settings
from tests.interop.bridge.peers import running_script
from tests.relay.catalogue import CHECKS, MODULES, checks_of, matching
from tests.relay.checks import Check
from tests.relay.peers import LOCAL_RELAY, NOSTR_RELAY, PROTECTED_LOCAL_RELAY, Peer
from tests.relay.runner import Outcome, Result, probe, run_checks
from tests.relay.target import Target
from tests.support.deadline import SCALE
from tests.support.peers import nostr_relay
from tests.support.process import Switchboard

NOT_FOR_US = {
    "nip01.kind.regular_events_are_all_kept": "of regular kinds only wraps are kept, which nip59.wrap checks",
    "nip01.kind.newer_replaces_older_at_its_address": "addressable kinds are not taken",
    "nip01.kind.lowest_id_wins_a_tie_at_its_address": "addressable kinds are not taken",
    "nip01.kind.only_the_first_d_tag_is_the_address": "addressable kinds are not taken",
    "nip09.deletion.address_is_bound_to_its_d_tag": "addressable kinds are not taken",
    "nip11.document.software_is_an_address": "it names no software, as there is no homepage",
    "nip13.work.event_without_work_is_refused": "no work is asked for by default",
    "nip13.work.event_with_work_is_taken": "no work is asked for by default",
    "nip13.work.commitment_below_the_minimum_is_refused": "no work is asked for by default",
}
"""Checks that say nothing about our relay. Whatever else stops applying fails."""

PEERS = (LOCAL_RELAY, PROTECTED_LOCAL_RELAY, NOSTR_RELAY)


def with_room(settings: Settings) -> Settings:
    """Let one address do in seconds what many clients do in a day."""
    relay = replace(settings.relay, address_connections_burst=100_000, address_rate_multiple=1000)
    return replace(settings, relay=relay)


@dataclass(frozen=True)
class Scores:
    """How every relay did."""

    ours: Mapping[str, Result]
    peers: Mapping[Peer, Sequence[Result]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scores(tmp_path_factory: pytest.TempPathFactory) -> Scores:
    """Put all relays to every check at the same time; of peers many checks, as they mostly make us wait."""
    async with (
        Switchboard(tmp_path_factory.mktemp("relay") / "home", change=with_room) as bridge,
        running_script("local_relay.py") as urls,
        nostr_relay(tmp_path_factory.mktemp("peer")) as url,
    ):
        others = (urls["open"], urls["protected"], url)
        ours, *theirs = await asyncio.gather(
            results_of(bridge.url, at_once=4), *(results_of(other, at_once=32) for other in others)
        )
        assert bridge.complaints == []
    return Scores({result.check.name: result for result in ours}, dict(zip(PEERS, theirs, strict=True)))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
async def test_our_relay_keeps_the_rule(check: Check, scores: Scores) -> None:
    result = scores.ours[check.name]
    expected = Outcome.NOT_APPLICABLE if check.name in NOT_FOR_US else Outcome.PASSED
    assert result.outcome is expected, "\n".join([f"{check.level}: {check.rule}", result.words, *result.frames])


async def results_of(url: str, checks: Sequence[Check] = CHECKS, *, at_once: int) -> list[Result]:
    """Find out about a relay and put it to the checks."""
    target = await probe(Target(url, timeout=8 * SCALE))
    return await run_checks(checks, target, at_once=at_once, on_result=lambda result: None)


async def test_our_relay_that_asks_for_work_and_gives_little_keeps_these_rules_too(tmp_path: Path) -> None:
    def with_other_limits(settings: Settings) -> Settings:
        relay = replace(with_room(settings).relay, min_pow_difficulty=4, max_limit=50, default_limit=20)
        return replace(settings, relay=replace(relay, max_event_bytes=9000, max_event_tags=30))

    checks = [*matching("nip11."), *matching("nip13."), *matching("nip67.")]
    async with Switchboard(tmp_path / "home", change=with_other_limits) as bridge:
        results = await results_of(bridge.url, checks, at_once=4)
        assert bridge.complaints == []
    assert {result.check.name: result.words for result in results if result.outcome is Outcome.FAILED} == {}
    unused = {result.check.name for result in results if result.outcome is Outcome.NOT_APPLICABLE}
    assert unused == {name for name in NOT_FOR_US if name.startswith("nip11.")}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
async def test_peer_fails_what_it_is_known_to_fail(peer: Peer, scores: Scores) -> None:
    failed = {result.check.name: result.words for result in scores.peers[peer] if result.outcome is Outcome.FAILED}
    known, unsteady = names_of(peer.failures), names_of(peer.unsteady)
    new = {name: words for name, words in failed.items() if name not in known | unsteady}
    assert new == {}, f"{peer.name} fails more than is known"
    assert known - failed.keys() == set(), f"{peer.name} is known to fail what it did not"


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
async def test_peer_has_its_known_score(peer: Peer, scores: Scores) -> None:
    outcomes = Counter(result.outcome for result in scores.peers[peer])
    unsteady = len(names_of(peer.unsteady))
    assert peer.passed - unsteady <= outcomes[Outcome.PASSED] <= peer.passed
    assert outcomes.total() == len(CHECKS)


def names_of(reasons: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the names under all reasons."""
    return {name for names in reasons.values() for name in names}


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_known_failures_are_checks_and_named_once(peer: Peer) -> None:
    names = [name for reasons in (peer.failures, peer.unsteady) for known in reasons.values() for name in known]
    assert set(names) <= {check.name for check in CHECKS}
    assert len(set(names)) == len(names)


def test_what_does_not_apply_to_us_are_checks() -> None:
    assert NOT_FOR_US.keys() <= {check.name for check in CHECKS}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_every_check_says_its_rule_in_a_line(module: ModuleType) -> None:
    assert checks_of(module)
    for check in checks_of(module):
        assert check.rule.endswith("."), check.name
        assert "\n" not in check.rule, check.name


def test_every_check_has_a_name_of_its_own() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)


def test_documented_scores_are_the_known_ones() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "conformance.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")
    ]
    told = {row[0]: tuple(map(int, row[5:])) for row in rows[1:]}
    assert f"holds {len(CHECKS)} checks" in text
    assert {sum(score) for score in told.values()} == {len(CHECKS)}
    ours, *others = told.values()
    assert ours == (len(CHECKS) - len(NOT_FOR_US), 0, len(NOT_FOR_US))
    for peer, (passed, failed, _) in zip(PEERS, others, strict=True):
        steady, unsteady = len(names_of(peer.failures)), len(names_of(peer.unsteady))
        assert peer.passed - unsteady <= passed <= peer.passed
        assert steady <= failed <= steady + unsteady

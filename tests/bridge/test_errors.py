"""Every refusal has its code, its text and its way through `code_of`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bridge import errors
from bridge.errors import CODES, InvalidRequest, MalformedRequest, ProviderFailed, RateLimited, Refusal, code_of
from protocol.catalogue import load_catalogue

CATALOGUE = load_catalogue()
TURN = CATALOGUE.methods["turn.get_credentials"]
INFO = CATALOGUE.methods["bridge.info"]

EXAMPLES: dict[type[Refusal], Refusal] = {
    InvalidRequest: InvalidRequest("/params"),
    MalformedRequest: MalformedRequest("/_v"),
    RateLimited: RateLimited("turn", 1),
    ProviderFailed: ProviderFailed(503, "no"),
}


def refusals() -> list[type[Refusal]]:
    def below(kind: type[Refusal]) -> Iterator[type[Refusal]]:
        for child in kind.__subclasses__():
            if child.__module__ == errors.__name__:
                yield child
                yield from below(child)

    return list(below(Refusal))


def an_example(kind: type[Refusal]) -> Refusal:
    return EXAMPLES.get(kind) or (kind() if kind.outcome else kind("for the log"))


@pytest.mark.parametrize("kind", refusals())
def test_every_refusal_has_a_code_of_the_contract(kind: type[Refusal]) -> None:
    assert CATALOGUE.refusal(CODES[kind]).code == CODES[kind]


def test_the_table_names_nothing_else() -> None:
    assert set(CODES) == set(refusals())


@pytest.mark.parametrize("kind", refusals())
def test_without_a_method_the_bridge_wide_code_stands(kind: type[Refusal]) -> None:
    assert code_of(an_example(kind), None) == CODES[kind]


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (errors.Unauthorized("who"), "CALL_RELAY_UNAUTHORIZED"),
        (RateLimited("turn", 1), "CALL_RELAY_RATE_LIMITED"),
        (ProviderFailed(None, "no"), "CALL_RELAY_PROVIDER_ERROR"),
        (InvalidRequest("/params/x"), "BRIDGE_INVALID_REQUEST"),
        (errors.Forbidden("blocked"), "BRIDGE_FORBIDDEN"),
        (errors.Internal("bug"), "BRIDGE_INTERNAL"),
        (errors.Unavailable("later"), "BRIDGE_UNAVAILABLE"),
    ],
)
def test_a_methods_own_code_takes_the_place_of_the_bridge_wide_one(refusal: Refusal, code: str) -> None:
    assert code_of(refusal, TURN) == code


@pytest.mark.parametrize(
    ("refusal", "code"),
    [(errors.Unauthorized("who"), "BRIDGE_UNAUTHORIZED"), (RateLimited("info", 1), "BRIDGE_RATE_LIMITED")],
)
def test_a_method_without_codes_of_its_own_answers_the_bridge_wide_one(refusal: Refusal, code: str) -> None:
    assert code_of(refusal, INFO) == code


def test_a_malformed_envelope_never_has_a_methods_code() -> None:
    assert MalformedRequest.own_code is None


def test_retry_is_for_429_and_faults_of_ours_only() -> None:
    """protocol.md §3, below the methods."""
    assert {entry.status for entry in CATALOGUE.refusals.values() if entry.retry} == {429, 500, 503}
    assert not {entry.status for entry in CATALOGUE.refusals.values() if not entry.retry} & {429, 500, 503}


def test_only_the_provider_adds_a_fact_to_its_event() -> None:
    assert ProviderFailed(502, "bad gateway").payload == {"http_status": 502}
    assert all(an_example(kind).payload == {} for kind in refusals() if not issubclass(kind, ProviderFailed))


def test_startup_and_dropped_are_no_refusals() -> None:
    assert not issubclass(errors.StartupError, Refusal)
    assert not issubclass(errors.Dropped, Refusal)


def test_the_tree_at_the_head_of_the_module_names_every_class() -> None:
    tree = errors.__doc__ or ""
    names = {kind.__name__ for kind in [*refusals(), errors.StartupError, errors.Dropped, Refusal]}
    assert names <= set(tree.split())

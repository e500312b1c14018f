"""The catalogue as the bridge and its clients read it."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from protocol.catalogue import Catalogue, Limiter, load_catalogue, read_json
from tests.support.contract import FIXED_TEXTS, STATUSES


@pytest.fixture
def catalogue() -> Catalogue:
    return load_catalogue()


def test_codes_and_statuses_are_those_of_the_contract(catalogue: Catalogue) -> None:
    assert {code: refusal.status for code, refusal in catalogue.refusals.items()} == STATUSES


def test_texts_that_others_fixed_are_verbatim(catalogue: Catalogue) -> None:
    assert {code: catalogue.refusal(code).message for code in FIXED_TEXTS} == FIXED_TEXTS


def test_every_text_is_one_or_more_sentences_without_anything_to_fill_in(catalogue: Catalogue) -> None:
    for refusal in catalogue.refusals.values():
        assert refusal.message.endswith(".")
        assert refusal.message[0].isupper()
        assert not set("{}%<>\n") & set(refusal.message)


def test_retry_is_promised_exactly_for_429_500_and_503(catalogue: Catalogue) -> None:
    assert {refusal.code for refusal in catalogue.refusals.values() if refusal.retry} == {
        code for code, status in STATUSES.items() if status in (429, 500, 503)
    }


def test_methods_are_those_of_this_version(catalogue: Catalogue) -> None:
    assert {(method.name, method.limiter) for method in catalogue.methods.values()} == {
        ("bridge.info", "info"),
        ("account.get", "info"),
        ("device.register", "device"),
        ("device.list", "info"),
        ("device.revoke", "device"),
        ("account.delete", "device"),
        ("account.set_access_key", "device"),
        ("turn.get_credentials", "turn"),
    }


def test_only_the_bridge_itself_is_shown_to_strangers(catalogue: Catalogue) -> None:
    assert [method.name for method in catalogue.methods.values() if method.stranger] == ["bridge.info"]
    assert [method.name for method in catalogue.methods.values() if method.anonymous] == ["bridge.info"]


def test_everything_that_a_method_refers_to_exists(catalogue: Catalogue) -> None:
    for method in catalogue.methods.values():
        codes = method.codes
        assert catalogue.limiter(method.limiter).name == method.limiter
        assert catalogue.refusal(codes.unauthorized).status == 401
        assert catalogue.refusal(codes.rate_limited).status == 429
        assert catalogue.refusal(codes.invalid).status == 400
        assert all(catalogue.refusal(code) for code in method.own_codes)
        assert read_json(f"schemas/{method.params_schema}")
        assert read_json(f"schemas/{method.result_schema}")


def test_every_code_is_bridge_wide_or_a_method_s_own(catalogue: Catalogue) -> None:
    own = {code for method in catalogue.methods.values() for code in method.own_codes}
    assert {code for code in catalogue.refusals if not code.startswith("BRIDGE_")} == own


def test_codes_that_a_method_puts_in_place_of_bridge_wide_ones_are_its_own(catalogue: Catalogue) -> None:
    turn = catalogue.methods["turn.get_credentials"]
    assert (turn.codes.unauthorized, turn.codes.rate_limited) == ("CALL_RELAY_UNAUTHORIZED", "CALL_RELAY_RATE_LIMITED")
    for method in catalogue.methods.values():
        for code in (method.codes.unauthorized, method.codes.rate_limited, method.codes.invalid):
            assert code.startswith("BRIDGE_") or code in method.own_codes


def test_limiters_have_the_published_figures(catalogue: Catalogue) -> None:
    assert set(catalogue.limiters.values()) == {
        Limiter("turn", 100, 600),
        Limiter("device", 12, 120),
        Limiter("info", 60, 1),
        Limiter("invalid", 20, 30),
    }


def test_events_carry_what_the_contract_lists(catalogue: Catalogue) -> None:
    assert {event.name: event.payload for event in catalogue.events.values()} == {
        "call_relay.credentials_issued": ("account_id", "turn_ttl_seconds"),
        "call_relay.rate_limited": ("account_id",),
        "call_relay.provider_error": ("account_id", "http_status"),
    }
    assert catalogue.event("call_relay.rate_limited").name == "call_relay.rate_limited"


def test_wire_names_version_and_kinds(catalogue: Catalogue) -> None:
    assert catalogue.version == "1.0.0"
    assert read_json("wire.json")["kinds"] == {"request": 24390, "response": 24391, "device_proof": 24393}


def test_unknown_method_is_none_for_it_is_a_peer_s_word(catalogue: Catalogue) -> None:
    assert catalogue.method("turn.get_credentials") is catalogue.methods["turn.get_credentials"]
    assert catalogue.method("turn.steal_credentials") is None


def test_name_that_is_not_in_the_contract_is_our_own_mistake(catalogue: Catalogue) -> None:
    for look_up in (catalogue.refusal, catalogue.event, catalogue.limiter):
        with pytest.raises(KeyError):
            look_up("nothing")


def test_catalogue_cannot_be_changed(catalogue: Catalogue) -> None:
    with pytest.raises(TypeError):
        catalogue.methods["new"] = catalogue.methods["bridge.info"]  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        catalogue.refusal("BRIDGE_INTERNAL").retry = False  # type: ignore[misc]

"""What stands in an answer."""

from __future__ import annotations

import json

import pytest

from bridge import errors
from bridge.errors import InvalidRequest, MalformedRequest, ProviderFailed, RateLimited, Refusal
from bridge.responses import body_of, error_body, make_response, read_response, result_body
from nips.event import event_id
from protocol.catalogue import load_catalogue
from protocol.validation import validate_response
from tests.support.wraps import AUTHOR, BRIDGE, NOW

CATALOGUE = load_catalogue()
TURN = CATALOGUE.methods["turn.get_credentials"]
ASKED = "ab" * 32


def a_response(**changes: object) -> dict[str, object]:
    return {
        "version": "1.0.0",
        "request_rumor": ASKED,
        "request_id": "r1",
        "body": {"result": {"x": "é"}},
        "now": NOW,
        **changes,
    }


def content_of(**changes: object) -> dict[str, object]:
    rumor = make_response(BRIDGE.public_key, AUTHOR.public_key, **a_response(**changes))  # type: ignore[arg-type]
    content: dict[str, object] = json.loads(rumor.content)
    validate_response(content)
    return content


def test_a_response_says_what_it_answers_and_whom() -> None:
    rumor = make_response(BRIDGE.public_key, AUTHOR.public_key, **a_response())  # type: ignore[arg-type]
    assert rumor.pubkey == BRIDGE.public_key
    assert rumor.kind == 24391
    assert rumor.created_at == NOW
    assert rumor.tags == (("p", AUTHOR.public_key), ("e", ASKED))
    assert rumor.id == event_id(rumor.pubkey, NOW, 24391, rumor.tags, rumor.content)


def test_content_has_version_id_and_time() -> None:
    assert content_of() == {"_v": "1.0.0", "id": "r1", "server_time": NOW, "result": {"x": "é"}}


def test_an_unusable_id_is_null() -> None:
    assert content_of(request_id=None)["id"] is None


@pytest.mark.parametrize(
    ("wait_ms", "seconds"), [(1, 1), (999, 1), (1000, 1), (1001, 2), (599_001, 600), (600_000, 600)]
)
def test_retry_after_is_the_wait_rounded_up(wait_ms: int, seconds: int) -> None:
    assert error_body(RateLimited("turn", wait_ms), CATALOGUE, TURN)["error"]["retry_after"] == seconds


@pytest.mark.parametrize("refusal", [InvalidRequest("/params/relay_only"), MalformedRequest("created_at")])
def test_field_names_what_is_wrong(refusal: InvalidRequest) -> None:
    assert error_body(refusal, CATALOGUE, TURN)["error"]["field"] == refusal.field


def test_field_is_left_out_where_nothing_can_be_named() -> None:
    assert "field" not in error_body(InvalidRequest(None), CATALOGUE, TURN)["error"]


@pytest.mark.parametrize(
    "refusal",
    [
        errors.Internal("planted"),
        errors.Unavailable("planted"),
        errors.Conflict("planted"),
        errors.Forbidden("planted"),
        errors.Unauthorized("planted"),
        errors.UnknownMethod("planted"),
        errors.Expired("planted"),
        ProviderFailed(418, "planted"),
        RateLimited("planted", 1000),
        InvalidRequest("/params"),
    ],
)
def test_an_error_is_the_catalogues_and_nothing_else(refusal: Refusal) -> None:
    error = error_body(refusal, CATALOGUE, TURN)["error"]
    entry = CATALOGUE.refusal(error["code"])
    assert (error["status"], error["message"], error["retry"]) == (entry.status, entry.message, entry.retry)
    assert set(error) <= {"code", "status", "message", "retry", "retry_after", "field"}
    assert "planted" not in json.dumps(error)
    assert "418" not in json.dumps(error)
    content_of(body={"error": error})


def test_a_response_survives_being_stored() -> None:
    rumor = make_response(BRIDGE.public_key, AUTHOR.public_key, **a_response())  # type: ignore[arg-type]
    assert read_response(rumor.to_json()) == rumor


def test_the_body_of_a_response_is_what_was_put_in() -> None:
    assert body_of(content_of()) == result_body({"x": "é"})
    error = error_body(errors.Conflict("used"), CATALOGUE, None)
    assert body_of(content_of(body=error)) == error

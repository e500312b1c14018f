"""Hostile wraps on their whole way through the bridge, and faults on that way that must not go unnoticed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from bridge import dispatcher
from bridge.inbox import Inbox
from protocol.catalogue import load_catalogue
from tests.fuzz import links, requests
from tests.fuzz.faults import no_faults
from tests.fuzz.judging import Finding

SEED = 3


@pytest.mark.parametrize("number", range(2))
async def test_bridge_lives_through_hostile_wraps(tmp_path: Path, number: int) -> None:
    assert await requests.answer_through(tmp_path, seed=SEED, number=number) > 20


@pytest.mark.parametrize("number", range(6))
def test_link_lives_through_a_hostile_relay(number: int) -> None:
    assert links.listen_through(seed=SEED, number=number) > 5


async def test_fault_in_answering_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(content: Any) -> None:
        raise KeyError("method")

    monkeypatch.setattr(dispatcher, "read_request", failing)
    with pytest.raises((Finding, ExceptionGroup)):
        await requests.answer_through(tmp_path, seed=SEED, number=0, wraps=100)


async def test_wrap_that_stays_in_the_inbox_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def forgetful(self: Inbox, waiting: object) -> None:
        return None

    monkeypatch.setattr(Inbox, "_answer", forgetful)
    with pytest.raises(ExceptionGroup) as caught:
        await requests.answer_through(tmp_path, seed=SEED, number=0, wraps=100)
    assert caught.group_contains(Finding, match="never answered", depth=1)


def test_error_in_the_log_is_found() -> None:
    with pytest.raises(Finding, match="something broke"), no_faults():
        logging.getLogger("bridge.inbox").error("something broke")


def _answer(**error: Any) -> dict[str, Any]:
    catalogue = load_catalogue()
    code = error.pop("code", "bad_request")
    refusal = catalogue.refusal(code)
    fields = {"code": code, "status": refusal.status, "message": refusal.message, "retry": refusal.retry, **error}
    return {"_v": catalogue.version, "id": None, "server_time": 1, "error": fields}


def test_answer_with_words_of_its_own_is_found() -> None:
    codes = [code for code, refusal in load_catalogue().refusals.items() if refusal.status < 500]
    requests.check_answer(_answer(code=codes[0]))
    with pytest.raises(Finding, match="words of its own"):
        requests.check_answer(_answer(code=codes[0], message="KeyError"))


def test_answer_with_a_fault_of_ours_is_found() -> None:
    faults = [code for code, refusal in load_catalogue().refusals.items() if refusal.status >= 500]
    with pytest.raises(Finding, match="a fault of ours"):
        requests.check_answer(_answer(code=faults[0]))

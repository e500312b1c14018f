"""Wraps on their whole way: hostile on some layer, accepted into the inbox, opened, dispatched, answered, recorded.

A chapter is one bridge, new. Every answer must be one of the contract, in words of the contract, and what is refused
leaves nothing behind that would be tried again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any, Final

from nips.errors import NipError
from nips.event import VerifiedEvent, parse_event, verify_event
from nips.filter import Filter
from nips.nip59 import WrapWindow, check_times, open_wrap, recipient_of
from nips.strict_json import parse
from protocol.catalogue import load_catalogue
from protocol.validation import MAX_POINTER_LENGTH, validate_response
from tests.fuzz.cases import a_wrap
from tests.fuzz.faults import no_faults
from tests.fuzz.judging import Finding, check_words
from tests.fuzz.mutation import MARKER, Mutator
from tests.fuzz.sessions import PIPELINE_SETTINGS
from tests.support.deadline import within
from tests.support.pipeline import Client, Pipeline, a_pipeline
from tests.support.wraps import AUTHOR, BRIDGE

WRAPS: Final = 500
"""Of each chapter."""
AT_ONCE: Final = 50


async def answer_through(folder: Path, *, seed: int, number: int, wraps: int = WRAPS) -> int:
    """Have a bridge live through one chapter; return how many answers it gave, or raise what went wrong."""
    mutator = Mutator(Random(f"{seed}/requests/{number}"))
    with no_faults():
        async with within(120), a_pipeline(folder, changes=PIPELINE_SETTINGS) as pipeline:
            batch: list[VerifiedEvent] = []
            for _ in range(wraps):
                batch += _admitted(a_wrap(mutator))
                if len(batch) >= AT_ONCE:
                    await pipeline.give(*batch)
                    batch.clear()
            await pipeline.give(*batch)
            return await _check_the_end(pipeline)


def _admitted(text: str) -> list[VerifiedEvent]:
    """Return the event in a text, if a relay would hand it over."""
    try:
        wrap = verify_event(parse_event(parse(text, max_bytes=131_072)))
        check_times(wrap, now=1_800_000_000, window=WrapWindow())
        return [wrap] if recipient_of(wrap) == BRIDGE.public_key else []
    except NipError:
        return []


async def _check_the_end(pipeline: Pipeline) -> int:
    if waiting := await pipeline.waiting():
        raise Finding(f"{len(waiting)} wraps are never answered")
    answers = await pipeline.send(Client("somebody good"), pipeline.request(Client("somebody good")))
    if not answers:
        raise Finding("a good request is never answered")
    (answer,) = answers
    if "result" not in answer.content:
        raise Finding(f"a good request is refused: {answer.code}")
    wraps = await pipeline.storage.gift_wraps.query(
        Filter(), recipients=[AUTHOR.public_key], now=pipeline.clock.now(), limit=100_000
    )
    for stored in wraps:
        check_answer(json.loads(open_wrap(verify_event(parse_event(json.loads(stored.json))), AUTHOR).content))
    return len(wraps)


def check_answer(content: Mapping[str, Any]) -> None:
    """Raise `Finding` unless an answer is one of the contract, in its words."""
    validate_response(content)
    if "error" not in content:
        return
    error = content["error"]
    refusal = load_catalogue().refusal(error["code"])
    if error["message"] != refusal.message or error["status"] != refusal.status:
        raise Finding("an error in words of its own")
    if refusal.status >= 500:
        raise Finding(f"a fault of ours: {error['code']}")
    check_words(error["message"])
    if len(error.get("field") or "") > MAX_POINTER_LENGTH:
        raise Finding("a pointer that grows with the request")
    if MARKER in json.dumps({**error, "field": None}):
        raise Finding("an answer quotes what was sent")

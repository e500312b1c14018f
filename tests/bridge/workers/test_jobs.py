"""What goes through the pipes comes out as it went in, and failures carry nothing but their names."""

from __future__ import annotations

import pytest

from bridge.sealing import LocalSealing
from bridge.workers import jobs
from bridge.workers.jobs import Start, WorkerFault
from client.wrapping import LIVE_SECONDS
from nips import kinds
from nips.errors import InvalidWrap
from nips.event import VerifiedEvent, parse_event, verify_event
from nips.keys import PublicKey
from nips.nip59 import Rumor, make_rumor, open_wrap
from tests.support.clock import FixedClock
from tests.support.entropy import SeededEntropy
from tests.support.wraps import AUTHOR, BRIDGE, NOW, a_rumor, a_seal, a_wrap, deviant_wraps, without

START = Start(BRIDGE, max_known_senders=2, unsigned_seals=False)


def sealing(start: Start = START) -> LocalSealing:
    return jobs.read_start(start.to_frame(), clock=FixedClock(NOW), entropy=SeededEntropy(1))


def a_verified_wrap() -> VerifiedEvent:
    return verify_event(parse_event(a_wrap(a_seal(a_rumor(content='é😀\n"\x00', tags=[["p", "é"], ["x", "", "2"]])))))


def an_answer(content: str = 'é😀\n"') -> Rumor:
    return make_rumor(BRIDGE.public_key, created_at=NOW, kind=24391, tags=[["e", "é"]], content=content)


def test_opened_rumor_comes_back_whole() -> None:
    wrap = a_verified_wrap()
    assert jobs.read_opened(jobs.answer(sealing(), jobs.opening(wrap))) == open_wrap(wrap, BRIDGE)


@pytest.mark.parametrize("expires_at", [None, NOW + 60])
@pytest.mark.parametrize("kind", sorted(kinds.WRAPS))
def test_wrap_is_made_as_asked_for(kind: int, expires_at: int | None) -> None:
    job = jobs.wrapping(an_answer(), AUTHOR.public_key, kind=kind, back_seconds=LIVE_SECONDS, expires_at=expires_at)
    made = jobs.read_wrapped(jobs.answer(sealing(), job))
    assert made == sealing().wrap_now(
        an_answer(), AUTHOR.public_key, kind=kind, back_seconds=LIVE_SECONDS, expires_at=expires_at
    )
    assert isinstance(made, VerifiedEvent)
    assert open_wrap(made, AUTHOR) == an_answer()


@pytest.mark.parametrize("name", deviant_wraps().keys() - {"wrap sig wrong", "wrap id wrong"})
def test_refusal_comes_back_in_its_words(name: str) -> None:
    wrap, reason = deviant_wraps()[name]
    job = jobs.opening(verify_event(parse_event(wrap)))
    with pytest.raises(InvalidWrap, match=f"^{reason}"):
        jobs.read_opened(jobs.answer(sealing(), job))


def test_start_says_what_is_tolerated() -> None:
    job = jobs.opening(verify_event(parse_event(a_wrap(without(a_seal(a_rumor()), ["sig"])))))
    assert jobs.read_opened(jobs.answer(sealing(Start(BRIDGE, 0, unsigned_seals=True)), job)).pubkey
    with pytest.raises(InvalidWrap):
        jobs.read_opened(jobs.answer(sealing(), job))


@pytest.mark.parametrize(
    "job",
    [
        b"",
        b"o",
        b"onot json",
        b'o{"secret":"words"}',
        b"w[]",
        jobs.wrapping(an_answer(), PublicKey("ff" * 32), kind=1059, back_seconds=0, expires_at=None),
        jobs.wrapping(an_answer(), AUTHOR.public_key, kind=1, back_seconds=0, expires_at=None),
    ],
    ids=range(7),
)
def test_fault_is_answered_by_its_name_alone(job: bytes) -> None:
    with pytest.raises(WorkerFault, match=r"^[A-Za-z]+$"):
        jobs.read_opened(jobs.answer(sealing(), job))


def test_start_shows_no_secret() -> None:
    assert BRIDGE.reveal().hex() not in repr(START)
    assert "hidden" in repr(START)

"""Whole hostile sessions leave the relay whole, and a relay with a fault does not live through them unnoticed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.relay import conversation, refusals, session
from bridge.relay.admission import Admission
from bridge.relay.visibility import ReadProtection
from nips.event import VerifiedEvent
from nips.messages import (
    Closed,
    Notice,
    Ok,
    write_closed,
    write_counted,
    write_delivered,
    write_end_of_stored,
    write_notice,
    write_ok,
)
from tests.bridge.relay.builders import ALICE, a_wrap
from tests.fuzz import sessions, sockets
from tests.fuzz.frames import VICTIM
from tests.fuzz.guests import Guest, House, check_stored
from tests.fuzz.judging import Finding
from tests.fuzz.sealing import compact

SEED = 3


@pytest.mark.parametrize("number", range(4))
async def test_relay_lives_through_hostile_sessions(tmp_path: Path, number: int) -> None:
    house = await sessions.live_through(tmp_path, seed=SEED, number=number)
    assert house.texts > 300
    assert len(house.taken) > 30


@pytest.mark.parametrize("number", [0, 3])
async def test_relay_lives_through_hostile_sockets(tmp_path: Path, number: int) -> None:
    assert await sockets.talk_through(tmp_path, seed=SEED, number=number, frames=200) > 100


async def test_what_is_said_depends_on_seed_and_number_alone(tmp_path: Path) -> None:
    houses = []
    for name, number in (("a", 5), ("b", 5), ("c", 6)):
        (tmp_path / name).mkdir()
        houses.append(await sessions.live_through(tmp_path / name, seed=SEED, number=number, frames=50))
    assert houses[0] == houses[1] != houses[2]


def _shows_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    views = ReadProtection.views
    everybody = frozenset({VICTIM.public_key})
    monkeypatch.setattr(ReadProtection, "views", lambda self, wanted, keys: views(self, wanted, keys | everybody))


def _tells_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    def words_for(error: Exception) -> str:
        return f"invalid: {error!r}"

    for module in (conversation, session, refusals):
        monkeypatch.setattr(module, "words_for", words_for)


def _hangs_up_on_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.Session, "count_bad_frame", lambda self: None)


def _does_not_verify(monkeypatch: pytest.MonkeyPatch) -> None:
    def verify(self: Admission, event: Any) -> VerifiedEvent:
        return VerifiedEvent(event.id, event.pubkey, event.created_at, event.kind, event.tags, event.content, event.sig)

    monkeypatch.setattr(Admission, "_verify", verify)
    # So that what was taken without a look is refused after that, and stored all the same.
    monkeypatch.setattr(conversation, "write_ok", lambda *_: write_ok("", False, "invalid: no"))


def _fails_at_times(monkeypatch: pytest.MonkeyPatch) -> None:
    check_times = Admission._check_times

    def failing(self: Admission, event: VerifiedEvent, now: int) -> None:
        if event.kind == 10002:
            raise KeyError(event.kind)
        check_times(self, event, now)

    monkeypatch.setattr(Admission, "_check_times", failing)


FAULTS: list[tuple[Callable[[pytest.MonkeyPatch], None], str]] = [
    (_shows_everything, "a key that this client has not proved"),
    (_tells_classes, "tells what is inside|quotes"),
    (_hangs_up_on_nobody, "nonsense without end"),
    (_does_not_verify, "refused|not accepted|no answer"),
    (_fails_at_times, "a fault of ours"),
]


@pytest.mark.parametrize(("fault", "words"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
async def test_fault_of_the_relay_is_found(
    fault: Callable[[pytest.MonkeyPatch], None], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(monkeypatch)
    # The third chapter has the limits that are the default.
    with pytest.raises(ExceptionGroup) as caught:
        await sessions.live_through(tmp_path, seed=SEED, number=3 if fault is _hangs_up_on_nobody else 0)
    assert caught.group_contains(Finding, match=words, depth=1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (write_ok("a" * 65, False, "invalid: x"), "more than an id"),
        (write_ok("a" * 64, False, "no prefix here"), "no prefix"),
        (write_ok("a" * 64, False, "error: internal error"), "a fault of ours"),
        (write_closed("asked", "invalid: KeyError: 'id'"), "what is inside"),
        (write_closed("never asked", "invalid: x"), "not asked for"),
        (write_end_of_stored("never asked"), "not asked for"),
        (write_notice("hello"), "no prefix"),
        (write_notice("invalid: 'NoneType' object is not subscriptable"), "what is inside"),
        (write_counted("asked", 1), "are counted"),
        (write_delivered("asked", a_wrap(ALICE).to_json()), "not proved"),
    ],
)
def test_text_that_no_client_should_hear_is_found(text: str, words: str) -> None:
    guest = Guest(House())
    guest.says(compact(["COUNT", "asked", {"kinds": [1059], "#p": [VICTIM.public_key]}]))
    with pytest.raises(Finding, match=words):
        guest.hears(text)


def test_good_texts_pass() -> None:
    guest = Guest(House())
    guest.says('["REQ","asked",{}]')
    guest.keys.add(ALICE.public_key)
    assert isinstance(guest.hears(write_ok("a" * 64, False, "invalid: id: not the hash of the event")), Ok)
    assert isinstance(guest.hears(write_closed("asked", "auth-required: prove a key")), Closed)
    assert isinstance(guest.hears(write_notice("invalid: unknown verb")), Notice)
    guest.hears(write_delivered("asked", a_wrap(ALICE).to_json()))


def test_surplus_in_the_store_is_found() -> None:
    check_stored({"a"}, {"a", "b"})
    with pytest.raises(Finding, match="1 events are stored"):
        check_stored({"a", "c"}, {"a", "b"})

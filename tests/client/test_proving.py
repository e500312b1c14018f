"""Keys that we hold answer a challenge at once, keys of others when those were asked; nobody waits for who fails."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from client.errors import SignerFailed
from client.proving import Prover
from client.signer import LocalSigner, Signer
from nips.event import VerifiedEvent
from nips.keys import SecretKey
from nips.nip42 import check_auth
from tests.support.clock import FixedClock
from tests.support.deadline import within
from tests.support.entropy import SeededEntropy
from tests.support.wraps import AUTHOR, BRIDGE, NOW, STRANGER

URL = "wss://relay.example"


class Slow(LocalSigner):
    """Signs when it is told to, or fails."""

    def __init__(self, secret: SecretKey, *, fails: bool = False) -> None:
        super().__init__(secret, SeededEntropy("slow"))
        self.gate = asyncio.Event()
        self.asked = 0
        self._fails = fails

    async def sign(self, *, created_at: int, kind: int, tags: Sequence[Sequence[str]], content: str) -> VerifiedEvent:
        self.asked += 1
        await self.gate.wait()
        if self._fails:
            raise SignerFailed("no")
        return await super().sign(created_at=created_at, kind=kind, tags=tags, content=content)


def a_prover(*keys: SecretKey | Signer) -> Prover:
    return Prover(URL, keys, clock=FixedClock(NOW), entropy=SeededEntropy())


def proven(answers: Sequence[VerifiedEvent], challenge: str) -> list[str]:
    return [check_auth(event, relay_url=URL, challenge=challenge, now=NOW, window_seconds=0) for event in answers]


def test_our_own_keys_answer_at_once_and_are_all() -> None:
    answers, is_all = a_prover(AUTHOR, BRIDGE).answer("c")
    assert proven(answers, "c") == [AUTHOR.public_key, BRIDGE.public_key]
    assert is_all


async def test_signers_answer_later() -> None:
    signer = Slow(STRANGER)
    prover = a_prover(signer, AUTHOR)
    answers, is_all = prover.answer("c")
    assert (proven(answers, "c"), is_all) == ([AUTHOR.public_key], False)
    signer.gate.set()
    async with within():
        challenge, more = await prover.more()
    assert (challenge, proven(more, "c")) == ("c", [STRANGER.public_key])


async def test_signer_that_fails_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    failing, good = Slow(STRANGER, fails=True), Slow(BRIDGE)
    failing.gate.set()
    good.gate.set()
    prover = a_prover(failing, good)
    prover.answer("c")
    async with within():
        _, more = await prover.more()
    assert proven(more, "c") == [BRIDGE.public_key]
    assert [record.getMessage() for record in caplog.records] == ["a key is not proved to a relay"]


async def test_of_challenges_that_came_meanwhile_only_the_latest_is_signed() -> None:
    signer = Slow(STRANGER)
    prover = a_prover(signer)
    for challenge in ("one", "two", "three"):
        prover.answer(challenge)
    signer.gate.set()
    async with within():
        challenge, more = await prover.more()
    assert (challenge, proven(more, "three"), signer.asked) == ("three", [STRANGER.public_key], 1)

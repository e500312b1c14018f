"""A key that is used through a signer makes and opens what the key itself makes and opens, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from client.errors import SignerFailed
from client.signer import LocalSigner, open_with, seal_with
from client.wrapping import wrap_again
from nips.errors import InvalidPayload, InvalidWrap
from nips.event import VerifiedEvent, parse_event, sign_event, verify_event
from nips.keys import PublicKey
from nips.nip59 import Rumor, make_rumor, open_wrap
from tests.support.clock import FixedClock
from tests.support.entropy import SeededEntropy
from tests.support.wraps import AUTHOR, BRIDGE, LIVE, NOW, STRANGER, a_rumor, a_seal, a_wrap, deviant_wraps, drawn

CLOCK = FixedClock(NOW)


def a_signer() -> LocalSigner:
    return LocalSigner(AUTHOR, SeededEntropy("author"))


def a_question() -> Rumor:
    return make_rumor(AUTHOR.public_key, created_at=NOW, kind=24390, tags=[("p", BRIDGE.public_key)], content="{}")


async def test_what_a_signer_sealed_opens_like_any_other(a_kind: int = LIVE) -> None:
    entropy = SeededEntropy()
    seal = await seal_with(a_signer(), a_question(), BRIDGE.public_key, clock=CLOCK, entropy=entropy)
    assert (seal.kind, seal.tags, seal.pubkey) == (13, (), AUTHOR.public_key)
    assert NOW - 30 <= seal.created_at <= NOW
    wraps = [
        wrap_again(seal, BRIDGE.public_key, kind=a_kind, clock=CLOCK, entropy=entropy, expires_at=None)
        for _ in range(2)
    ]
    assert [open_wrap(wrap, BRIDGE) for wrap in wraps] == [a_question(), a_question()]
    assert len({wrap.pubkey for wrap in wraps} | {wrap.content for wrap in wraps}) == 4


async def test_only_its_author_seals_a_rumor() -> None:
    strange = make_rumor(STRANGER.public_key, created_at=NOW, kind=24390, tags=[], content="{}")
    with pytest.raises(ValueError, match="author"):
        await seal_with(a_signer(), strange, BRIDGE.public_key, clock=CLOCK, entropy=SeededEntropy())


class Meddler(LocalSigner):
    """Signs, but something else than it was given."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(AUTHOR, SeededEntropy())
        self.changes = changes

    async def sign(self, *, created_at: int, kind: int, tags: Sequence[Sequence[str]], content: str) -> VerifiedEvent:
        fields = {"created_at": created_at, "kind": kind, "tags": tags, "content": content, **self.changes}
        return sign_event(fields.pop("by", AUTHOR), **fields, aux=drawn("aux"))


@pytest.mark.parametrize(
    "changes",
    [{"created_at": 1}, {"kind": 14}, {"tags": [["client", "x"]]}, {"content": "x"}, {"by": STRANGER}],
    ids=str,
)
async def test_signer_that_signs_something_else_has_failed(changes: dict[str, Any]) -> None:
    with pytest.raises(SignerFailed):
        await seal_with(Meddler(**changes), a_question(), BRIDGE.public_key, clock=CLOCK, entropy=SeededEntropy())


async def test_proper_wrap_opens() -> None:
    signer = LocalSigner(BRIDGE, SeededEntropy())
    wrap = verify_event(parse_event(a_wrap(a_seal(a_rumor()))))
    assert json.loads((await open_with(signer, wrap)).to_json()) == a_rumor()


@pytest.mark.parametrize("name", deviant_wraps())
async def test_deviant_wrap_opens_exactly_where_the_key_opens_it(name: str) -> None:
    value, _ = deviant_wraps()[name]
    try:
        wrap = verify_event(parse_event(value))
    except ValueError:
        return  # no link hands such a thing on
    try:
        told = str(open_wrap(wrap, BRIDGE).id)
    except InvalidWrap as refused:
        told = str(refused)
    try:
        said = (await open_with(LocalSigner(BRIDGE, SeededEntropy()), wrap)).id
    except InvalidWrap as refused:
        said = str(refused)
    assert said == told


async def test_key_off_the_curve_shares_nothing() -> None:
    with pytest.raises(InvalidPayload, match="curve"):
        await a_signer().decrypt("payload", PublicKey("f" * 64))


async def test_signer_shows_nothing_of_its_key() -> None:
    assert AUTHOR.reveal().hex() not in repr(vars(a_signer()))

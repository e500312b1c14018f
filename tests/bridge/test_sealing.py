"""What opens and seals for the bridge keeps the rules of wraps, whoever comes back."""

from __future__ import annotations

import pytest

from bridge.sealing import LocalSealing
from client.wrapping import BACKDATE_SECONDS, wrap_rumor
from nips import kinds
from nips.errors import InvalidWrap
from nips.event import VerifiedEvent, parse_event, verify_event
from nips.keys import SecretKey
from nips.nip59 import Rumor, make_rumor, open_wrap
from tests.support.clock import FixedClock
from tests.support.entropy import SeededEntropy
from tests.support.wraps import AUTHOR, BRIDGE, NOW, STRANGER, Json, a_rumor, a_seal, a_wrap, deviant_wraps, without

CLOCK = FixedClock(NOW)
BADLY_SIGNED = {"wrap sig wrong", "wrap id wrong"}


def local(*, max_known_senders: int = 2, unsigned_seals: bool = False) -> LocalSealing:
    return LocalSealing(
        BRIDGE,
        clock=CLOCK,
        entropy=SeededEntropy(1),
        max_known_senders=max_known_senders,
        unsigned_seals=unsigned_seals,
    )


def proven(wrap: Json) -> VerifiedEvent:
    return verify_event(parse_event(wrap))


def an_answer(content: str = "{}") -> Rumor:
    return make_rumor(BRIDGE.public_key, created_at=NOW, kind=24391, tags=[], content=content)


async def test_proper_wrap_opens_each_time() -> None:
    sealing, wrap = local(), proven(a_wrap(a_seal(a_rumor())))
    first, second = await sealing.open(wrap), await sealing.open(wrap)
    assert first == second == open_wrap(wrap, BRIDGE)


@pytest.mark.parametrize("max_known_senders", [0, 2])
@pytest.mark.parametrize("name", deviant_wraps().keys() - BADLY_SIGNED)
async def test_no_deviant_wrap_opens_even_from_a_known_sender(name: str, max_known_senders: int) -> None:
    wrap, reason = deviant_wraps()[name]
    sealing = local(max_known_senders=max_known_senders)
    await sealing.open(proven(a_wrap(a_seal(a_rumor()))))
    await sealing.wrap(an_answer(), STRANGER.public_key, kind=kinds.GIFT_WRAP)
    with pytest.raises(InvalidWrap, match=f"^{reason}"):
        await sealing.open(proven(wrap))


async def test_unsigned_seal_opens_only_where_it_is_tolerated() -> None:
    wrap = proven(a_wrap(without(a_seal(a_rumor()), ["sig"])))
    assert (await local(unsigned_seals=True).open(wrap)).pubkey == AUTHOR.public_key
    with pytest.raises(InvalidWrap):
        await local().open(wrap)


@pytest.mark.parametrize("kind", sorted(kinds.WRAPS))
async def test_answer_is_for_its_recipient_alone_and_lasts_as_told(kind: int) -> None:
    wrap = await local().wrap(
        an_answer(), AUTHOR.public_key, kind=kind, back_seconds=BACKDATE_SECONDS, expires_at=NOW + 60
    )
    assert open_wrap(wrap, AUTHOR) == an_answer()
    assert (wrap.kind, wrap.first_tag("expiration")) == (kind, str(NOW + 60))
    with pytest.raises(InvalidWrap):
        open_wrap(wrap, STRANGER)


async def test_answers_to_a_known_sender_share_nothing_that_shows() -> None:
    sealing = local()
    await sealing.open(proven(a_wrap(a_seal(a_rumor()))))
    one, two = [await sealing.wrap(an_answer(), AUTHOR.public_key, kind=kinds.GIFT_WRAP) for _ in range(2)]
    assert len({one.pubkey, two.pubkey, BRIDGE.public_key}) == 3
    assert one.content != two.content


async def test_one_secret_is_made_for_a_request_and_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = SecretKey.shared_x

    def counted(secret: SecretKey, peer: str) -> bytes:
        made.append(peer)
        return real(secret, peer)  # type: ignore[arg-type]

    wrap = wrap_rumor(
        make_rumor(AUTHOR.public_key, created_at=NOW, kind=24390, tags=[], content="{}"),
        AUTHOR,
        BRIDGE.public_key,
        kind=kinds.GIFT_WRAP,
        clock=CLOCK,
        entropy=SeededEntropy(2),
    )
    sealing = local()
    monkeypatch.setattr(SecretKey, "shared_x", counted)
    await sealing.open(wrap)
    assert made == [wrap.pubkey, AUTHOR.public_key]
    await sealing.wrap(an_answer(), AUTHOR.public_key, kind=kinds.GIFT_WRAP)
    assert made == [wrap.pubkey, AUTHOR.public_key, AUTHOR.public_key]
    await sealing.open(wrap)
    assert made[3:] == [wrap.pubkey]


async def test_one_time_keys_are_never_kept() -> None:
    sealing = local(max_known_senders=100)
    await sealing.open(proven(a_wrap(a_seal(a_rumor()))))
    await sealing.wrap(an_answer(), AUTHOR.public_key, kind=kinds.GIFT_WRAP)
    assert list(sealing._keys._kept) == [AUTHOR.public_key]


async def test_who_is_not_proved_to_be_the_author_is_not_known() -> None:
    sealing = local()
    for wrap, _ in (wrap for name, wrap in deviant_wraps().items() if name not in BADLY_SIGNED):
        with pytest.raises(InvalidWrap):
            await sealing.open(proven(wrap))
    assert len(sealing._keys) == 0


async def test_nothing_has_to_run() -> None:
    await local().run()

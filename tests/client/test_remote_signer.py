"""A key in other hands: what its holder answers is checked, waited for within bounds, and never asked for in bulk."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from client.clock import SystemClock
from client.connection import RelayConnection
from client.entropy import SystemEntropy, draw_key
from client.errors import SignerFailed
from client.remote_signer import MAX_WAITING, PERMISSIONS, RemoteSigner
from nips import nip44
from nips.event import VerifiedEvent, parse_event, sign_event, verify_event
from nips.keys import PublicKey, SecretKey
from nips.nip46 import Bunker
from tests.support.deadline import within
from tests.support.fake_relay import FakeRelay, FakeSession, Script, running
from tests.support.wraps import AUTHOR, BRIDGE, STRANGER, Json, drawn

CLOCK, ENTROPY = SystemClock(), SystemEntropy()
HOLDER, CLIENT, USER = BRIDGE, STRANGER, AUTHOR

Say = Callable[[Json], list[Json]]
"""What a bunker replies to a request: any number of replies, without their ids."""


def conversed(by: SecretKey, to: PublicKey, content: Json) -> VerifiedEvent:
    """Return an event of the conversation."""
    text = nip44.encrypt(json.dumps(content), nip44.conversation_key(by, to), ENTROPY.draw(32))
    return sign_event(by, created_at=CLOCK.now(), kind=24133, tags=[("p", to)], content=text, aux=drawn("aux"))


def a_bunker(say: Say, *, by: SecretKey = HOLDER) -> Script:
    """Return a relay's script with a bunker behind it."""

    async def relay(session: FakeSession) -> None:
        try:
            while True:
                verb, *rest = json.loads(await session.socket.recv())
                if verb == "REQ":
                    session.subscription = rest[0]
                    await session.say("EOSE", rest[0])
                elif verb == "EVENT":
                    event = verify_event(parse_event(rest[0]))
                    assert (event.kind, event.tags) == (24133, (("p", HOLDER.public_key),))
                    await session.say("OK", event.id, True, "")
                    key = nip44.conversation_key(HOLDER, event.pubkey)
                    request = json.loads(nip44.decrypt(event.content, key, max_payload=100_000))
                    for reply in say(request):
                        answer = conversed(by, event.pubkey, {"id": request["id"], **reply})
                        await session.say("EVENT", session.subscription, answer.to_dict())
        except ConnectionClosed:
            pass

    return relay


def honest(request: Json) -> list[Json]:
    """Do what is asked, with the user's key."""
    method, params = request["method"], request["params"]
    if method == "connect":
        return [{"result": "ack"}]
    if method == "get_public_key":
        return [{"result": USER.public_key}]
    if method == "sign_event":
        wanted = json.loads(params[0])
        assert wanted.pop("pubkey") == USER.public_key
        return [{"result": sign_event(USER, **wanted, aux=drawn("aux")).to_json()}]
    key = nip44.conversation_key(USER, PublicKey(params[0]))
    if method == "nip44_encrypt":
        return [{"result": nip44.encrypt(params[1], key, ENTROPY.draw(32))}]
    return [{"result": nip44.decrypt(params[1], key, max_payload=100_000)}]


@asynccontextmanager
async def asking(
    say: Say, *, seconds: float = 10, by: SecretKey = HOLDER, **options: Any
) -> AsyncIterator[RemoteSigner]:
    async with within(), FakeRelay(a_bunker(say, by=by)) as relay:
        link = RelayConnection(relay.url, clock=CLOCK, entropy=ENTROPY)
        bunker = Bunker(HOLDER.public_key, (relay.url,), "secret")
        async with running(link):
            signer = RemoteSigner(
                bunker, CLIENT, [link], clock=CLOCK, entropy=ENTROPY, timeout_seconds=seconds, **options
            )
            yield signer
            signer.close()


async def test_key_is_used_as_if_it_were_ours() -> None:
    peer = draw_key(ENTROPY)
    async with asking(honest) as signer:
        assert await signer.connect() == signer.public_key == USER.public_key
        event = await signer.sign(created_at=5, kind=13, tags=[("t", "x")], content="hello")
        assert (event.pubkey, event.created_at, event.tags) == (USER.public_key, 5, (("t", "x"),))
        payload = await signer.encrypt("hello", peer.public_key)
        key = nip44.conversation_key(peer, USER.public_key)
        assert nip44.decrypt(payload, key, max_payload=1000) == "hello"
        assert await signer.decrypt(payload, peer.public_key) == "hello"


async def test_bunker_is_told_at_once_what_we_shall_ask_for() -> None:
    requests: list[Json] = []

    def noting(request: Json) -> list[Json]:
        requests.append(request)
        return honest(request)

    async with asking(noting) as signer:
        await signer.connect()
    connect = requests[0]
    assert connect["params"] == [HOLDER.public_key, "secret", ",".join(PERMISSIONS)]
    assert PERMISSIONS == ("nip44_encrypt", "nip44_decrypt", "sign_event:13", "sign_event:22242")


@pytest.mark.parametrize(
    ("method", "reply", "words"),
    [
        ("connect", {"result": "other"}, "secret"),
        ("connect", {"error": "planted"}, "refuses connect"),
        ("get_public_key", {"result": "npub"}, "public key"),
        ("get_public_key", {"result": "", "error": "planted"}, "refuses get_public_key"),
    ],
)
async def test_bunker_that_does_not_let_us_in_fails(method: str, reply: Json, words: str) -> None:
    async with asking(lambda request: [reply] if request["method"] == method else honest(request)) as signer:
        with pytest.raises(SignerFailed, match=words) as failed:
            await signer.connect()
        assert "planted" not in str(failed.value)
        with pytest.raises(SignerFailed, match="not connected"):
            assert signer.public_key


@pytest.mark.parametrize(
    "signed",
    [
        "",
        "[" * 5000,
        "{}",
        sign_event(USER, created_at=5, kind=13, tags=[], content="other", aux=drawn("aux")).to_json(),
        sign_event(USER, created_at=6, kind=13, tags=[], content="hello", aux=drawn("aux")).to_json(),
        sign_event(USER, created_at=5, kind=14, tags=[], content="hello", aux=drawn("aux")).to_json(),
        sign_event(USER, created_at=5, kind=13, tags=[["t"]], content="hello", aux=drawn("aux")).to_json(),
        sign_event(STRANGER, created_at=5, kind=13, tags=[], content="hello", aux=drawn("aux")).to_json(),
    ],
    ids=["nothing", "brackets", "object", "content", "time", "kind", "tags", "key"],
)
async def test_bunker_that_signs_something_else_fails(signed: str) -> None:
    def meddling(request: Json) -> list[Json]:
        return [{"result": signed}] if request["method"] == "sign_event" else honest(request)

    async with asking(meddling) as signer:
        await signer.connect()
        with pytest.raises(SignerFailed, match="signed"):
            await signer.sign(created_at=5, kind=13, tags=[], content="hello")


async def test_user_who_has_to_agree_first_is_shown_where_and_waited_for() -> None:
    shown: list[str] = []
    page = {"result": "auth_url", "error": "https://bunker.example/agree"}
    async with asking(lambda request: [page, *honest(request)], on_auth_url=shown.append) as signer:
        assert await signer.connect() == USER.public_key
    assert shown == ["https://bunker.example/agree"] * 2


async def test_what_others_say_or_nobody_asked_for_is_no_answer() -> None:
    strange: list[Json] = [{"id": "unknown", "result": "ack"}, {"id": 1}]
    async with asking(lambda request: [*strange, *honest(request)]) as signer:
        assert await signer.connect() == USER.public_key
    async with asking(honest, by=STRANGER, seconds=0.2) as signer:
        with pytest.raises(SignerFailed, match="did not answer to connect"):
            await signer.connect()


async def test_no_more_questions_wait_than_are_allowed() -> None:
    async with asking(lambda request: [], seconds=0.3) as signer:
        asked = [asyncio.ensure_future(signer.encrypt("x", USER.public_key)) for _ in range(MAX_WAITING + 3)]
        failures = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(failure, SignerFailed) for failure in failures)
        assert sum("wait for the bunker" in str(failure) for failure in failures) == 3
        assert signer._waiting == {}

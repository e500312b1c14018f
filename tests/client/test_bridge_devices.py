"""Devices through the client: a proof that bridges take, and a signer that is asked for as little as can be."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from client.bridge import BridgeClient, BridgeLimits
from client.connection import RelayConnection
from client.envelope import Reply
from client.errors import SignerFailed
from client.signer import LocalSigner
from nips.device_proof import check_device_proof
from nips.event import VerifiedEvent
from nips.keys import PublicKey, SecretKey
from nips.nip59 import Rumor
from protocol.validation import validate_params
from tests.support.bridge_results import LAPTOP, RESULTS
from tests.support.deadline import within
from tests.support.fake_bridge import CLOCK, ENTROPY, client_of, deliver, echo, relay_of, response_to, undecipherable
from tests.support.fake_relay import FakeRelay, FakeSession, running
from tests.support.wraps import AUTHOR, BRIDGE, STRANGER, drawn

DEVICE = SecretKey(drawn("device"))


class CountingSigner(LocalSigner):
    """Holds the author's key, and counts what it is asked for."""

    def __init__(self, *, fails: bool = False) -> None:
        super().__init__(AUTHOR, ENTROPY)
        self.asked: Counter[str] = Counter()
        self._fails = fails

    async def encrypt(self, text: str, peer: PublicKey) -> str:
        self._count("encrypt")
        return await super().encrypt(text, peer)

    async def decrypt(self, payload: str, peer: PublicKey) -> str:
        self._count("decrypt")
        return await super().decrypt(payload, peer)

    async def sign(self, *, created_at: int, kind: int, tags: Sequence[Sequence[str]], content: str) -> VerifiedEvent:
        self._count(f"sign {kind}")
        return await super().sign(created_at=created_at, kind=kind, tags=tags, content=content)

    def _count(self, what: str) -> None:
        self.asked[what] += 1
        if self._fails:
            raise SignerFailed("its user said no")


@asynccontextmanager
async def signing(*relays: FakeRelay, signer: CountingSigner) -> AsyncIterator[BridgeClient]:
    """Run an impatient client whose key is held by somebody else."""
    limits = BridgeLimits(retry_seconds=0.02, ready_seconds=3_600, publish_seconds=3_600)
    links = [RelayConnection(relay.url, keys=[signer], clock=CLOCK, entropy=ENTROPY) for relay in relays]
    client = BridgeClient(signer, BRIDGE.public_key, links, clock=CLOCK, entropy=ENTROPY, limits=limits)
    async with running(*links):
        yield client


@pytest.mark.parametrize("account", [None, STRANGER.public_key])
async def test_registration_carries_a_proof_by_the_device_for_the_account(account: PublicKey | None) -> None:
    async def bridge(session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
        asked = json.loads(request.content)
        params = asked["params"]
        validate_params(asked["method"], params)
        assert (asked["method"], params["name"], params["platform"]) == ("device.register", "laptop", "linux")
        proof = check_device_proof(
            params["proof"],
            device=PublicKey(params["device_pubkey"]),
            account=account or AUTHOR.public_key,
            bridge=BRIDGE.public_key,
            now=CLOCK.now(),
        )
        assert proof.pubkey == DEVICE.public_key
        await deliver(session, response_to(request, result=RESULTS["device.register"]))

    async with within(), FakeRelay(relay_of(bridge)) as relay, client_of(relay) as client:
        device = await client.register_device(DEVICE, name="laptop", platform="linux", account=account)
    assert (device.device_id, device.name) == (LAPTOP["device_id"], "laptop")


async def test_proofs_of_one_second_are_different_events() -> None:
    proofs: list[str] = []

    async def bridge(session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
        params = json.loads(request.content)["params"]
        proof = check_device_proof(
            params["proof"],
            device=DEVICE.public_key,
            account=AUTHOR.public_key,
            bridge=BRIDGE.public_key,
            now=CLOCK.now(),
        )
        proofs.append(proof.id)
        await deliver(session, response_to(request, result=RESULTS["device.register"]))

    async with within(), FakeRelay(relay_of(bridge)) as relay, client_of(relay) as client:
        for name in ("laptop", "desk", "lap"):
            await client.register_device(DEVICE, name=name)
    assert len(set(proofs)) == 3


async def test_kind_of_the_answer_may_be_written_as_its_word() -> None:
    async with within(), FakeRelay(relay_of(echo)) as relay, client_of(relay) as client:
        for reply in ("live", Reply.LIVE):
            assert (await client.call("account.get", reply=reply))["reply"] == "live"
        with pytest.raises(ValueError, match="'later' is not a valid Reply"):
            await client.call("account.get", reply="later")


async def test_devices_are_listed_and_revoked_by_their_ids() -> None:
    async def bridge(session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
        asked = json.loads(request.content)
        validate_params(asked["method"], asked["params"])
        assert asked["params"] == ({"device_id": LAPTOP["device_id"]} if asked["method"] == "device.revoke" else {})
        await deliver(session, response_to(request, result=RESULTS[asked["method"]]))

    async with within(), FakeRelay(relay_of(bridge)) as relay, client_of(relay) as client:
        _, laptop = await client.devices()
        await client.revoke_device(laptop.device_id)


async def test_signer_seals_once_however_often_the_request_is_repeated_over_how_many_relays() -> None:
    wraps: list[VerifiedEvent] = []

    async def lossy(session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
        wraps.append(wrap)
        if len(wraps) >= 6:
            await echo(session, wrap, request)

    signer = CountingSigner()
    async with (
        within(),
        FakeRelay(relay_of(lossy)) as one,
        FakeRelay(relay_of(lossy)) as two,
        signing(one, two, signer=signer) as client,
    ):
        await client.call("account.get")
    # Later ones show work, and then one wrap does for both relays.
    assert len(wraps) >= 6
    assert len({wrap.pubkey for wrap in wraps}) == len({wrap.id for wrap in wraps}) >= 4
    assert (signer.asked["encrypt"], signer.asked["sign 13"]) == (1, 1)


async def test_signer_opens_only_what_comes_in_the_kind_that_an_answer_is_due_in() -> None:
    async def bridge(session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
        for _ in range(5):
            await deliver(session, undecipherable())
        await echo(session, wrap, request)

    signer = CountingSigner()
    async with within(), FakeRelay(relay_of(bridge)) as relay, signing(relay, signer=signer) as client:
        await client.call("account.get")
    assert signer.asked == {"encrypt": 1, "sign 13": 1, "decrypt": 2}


async def test_signer_proves_its_key_to_a_relay_that_asks() -> None:
    async def relay(session: FakeSession) -> None:
        _, name, *_ = await session.expect("REQ")
        await session.say("CLOSED", name, "auth-required: only what is yours")
        await session.say("AUTH", "challenge")
        _, auth = await session.expect("AUTH")
        assert auth["pubkey"] == AUTHOR.public_key
        await session.say("OK", auth["id"], True, "")
        await session.expect("REQ")
        await session.say("EOSE", name)

    signer = CountingSigner()
    async with within(), FakeRelay(relay) as server:
        link = RelayConnection(server.url, keys=[signer], clock=CLOCK, entropy=ENTROPY)
        BridgeClient(signer, BRIDGE.public_key, [link], clock=CLOCK, entropy=ENTROPY)
        async with running(link):
            await link.wait_ready()
    assert signer.asked == {"sign 22242": 1}


async def test_signer_that_refuses_ends_the_call_by_name() -> None:
    async with (
        within(),
        FakeRelay(relay_of(echo)) as relay,
        signing(relay, signer=CountingSigner(fails=True)) as client,
    ):
        with pytest.raises(SignerFailed, match="said no"):
            await client.call("account.get")
        assert client._sealing == 0

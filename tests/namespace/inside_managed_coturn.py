"""What a coturn of the bridge's own lets in, and what it keeps out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.turn.coturn import coturn_password, coturn_username
from bridge.turn.managed.peers import DENIED
from client.clock import SystemClock
from client.entropy import SystemEntropy, draw_key
from client.results import TurnCredentials
from tests.namespace.house import (
    PEER,
    PEER_6,
    SERVER,
    SERVER_6,
    URLS,
    a_bridge,
    credentials_of,
    echo_peer,
    secret_of,
)
from tests.support.deadline import within
from tests.support.process import Switchboard
from tests.support.turn_client import TCP, Refused, TurnClient, turn_client

QUOTA = 3

DENIED_4 = [
    *("10.99.0.1", "127.0.0.1", "169.254.169.254", "100.100.100.200", "192.168.7.1", "172.16.0.1", "192.0.0.192"),
    *("168.63.129.16", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "240.0.0.1", "255.255.255.255"),
    *("224.0.0.1", "0.0.0.0", "0.0.0.1", "192.88.99.1"),
]
DENIED_6 = [
    *("::1", "::", "fd99::1", "fe80::1", "fec0::1", "ff02::1", "2001:db8::1", "2001::1", "3fff::1", "100::1"),
    *("::ffff:127.0.0.1", "::ffff:10.99.0.1", "::ffff:169.254.169.254", f"::ffff:{PEER}", "::10.99.0.1"),
    *("64:ff9b::a63:1", "64:ff9b:1::a63:1", "2002:a63:1::1", "fd00:ec2::254", "4000::1"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bridge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Switchboard]:
    """Run a bridge with nothing set but its own address and a small quota."""
    async with a_bridge(tmp_path_factory.mktemp("bridge"), user_quota=QUOTA) as bridge:
        yield bridge
    assert bridge.complaints == []


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def echoes(client: TurnClient, host: str) -> bool:
    """Tell whether data goes to a peer and comes back."""
    async with within(), echo_peer(host) as place:
        await client.permit(host)
        client.send(b"there and back", place)
        return await client.receive() == (b"THERE AND BACK", place)


async def refusal(url: str, username: str, password: str) -> int:
    """Return the code with which an allocation is refused."""
    async with within(), turn_client(url, username, password) as client:
        with pytest.raises(Refused) as refused:
            await client.allocate()
    return refused.value.code


async def permit_refusal(client: TurnClient, host: str) -> int | None:
    """Return the code with which a peer is refused, None when it is not."""
    try:
        await client.permit(host)
    except Refused as refused:
        return refused.code
    return None


async def test_clients_are_told_where_it_is_with_nothing_set(bridge: Switchboard) -> None:
    credentials = await credentials_of(bridge)
    assert credentials.urls == URLS
    assert [url for server in credentials.ice_servers for url in server["urls"]] == [f"stun:{SERVER}:3478", *URLS]


@pytest.mark.parametrize("url", URLS)
async def test_issued_credentials_relay_data_both_ways(bridge: Switchboard, url: str) -> None:
    credentials = await credentials_of(bridge)
    async with turn_client(url, credentials.username, credentials.password) as client:
        assert (await client.allocate())[0] == SERVER
        assert await echoes(client, PEER)
        assert client.software == set()


async def test_relay_over_ipv6_works_where_the_machine_has_it(bridge: Switchboard) -> None:
    credentials = await credentials_of(bridge)
    url = f"turn:[{SERVER_6}]:3478?transport=udp"
    async with turn_client(url, credentials.username, credentials.password) as client:
        assert (await client.allocate(version=6))[0] == SERVER_6
        assert await echoes(client, PEER_6)


@pytest.mark.parametrize("url", URLS)
async def test_wrong_expired_and_forged_credentials_are_refused(bridge: Switchboard, url: str) -> None:
    good = await credentials_of(bridge)
    expires_at, _, user = good.username.partition(":")
    secret = secret_of(bridge).encode()
    expired = coturn_username(user, SystemClock().now() - 1)
    later = coturn_username(user, int(expires_at) + 1)
    assert coturn_password(secret, good.username) == good.password, "the expired one is signed with the real secret"
    assert await refusal(url, good.username, "wrong") == 401
    assert await refusal(url, expired, coturn_password(secret, expired)) == 401
    assert await refusal(url, later, good.password) == 401
    assert await refusal(url, good.username, coturn_password(b"another", good.username)) == 401


async def test_quota_of_one_account_does_not_touch_another(bridge: Switchboard) -> None:
    one = draw_key(SystemEntropy())
    held: list[TurnClient] = []
    async with within():
        for number in range(QUOTA + 1):
            mine: TurnCredentials = await credentials_of(bridge, one)
            async with turn_client(URLS[0], mine.username, mine.password) as client:
                if number < QUOTA:
                    await client.allocate()
                    held.append(client)
                else:
                    with pytest.raises(Refused) as refused:
                        await client.allocate()
                    assert refused.value.code == 486
        theirs = await credentials_of(bridge)
        async with turn_client(URLS[0], theirs.username, theirs.password) as client:
            await client.allocate()


async def test_peers_in_private_and_special_ranges_are_refused(bridge: Switchboard) -> None:
    credentials = await credentials_of(bridge)
    async with within(), turn_client(URLS[0], credentials.username, credentials.password) as client:
        await client.allocate()
        assert {host: await permit_refusal(client, host) for host in DENIED_4} == dict.fromkeys(DENIED_4, 403)
        assert await permit_refusal(client, PEER) is None
    edges = {str(network[index]): 403 for network in DENIED if network.version == 4 for index in (0, -1)}
    async with within(), turn_client(URLS[0], credentials.username, credentials.password) as client:
        await client.allocate()
        assert {host: await permit_refusal(client, host) for host in edges} == edges


async def test_ipv6_peers_that_mean_a_private_place_are_refused(bridge: Switchboard) -> None:
    credentials = await credentials_of(bridge)
    async with within(), turn_client(URLS[0], credentials.username, credentials.password) as client:
        await client.allocate(version=6)
        assert {host: await permit_refusal(client, host) for host in DENIED_6} == dict.fromkeys(DENIED_6, 403)
        edges = {str(network[index]): 403 for network in DENIED if network.version == 6 for index in (0, -1)}
        assert {host: await permit_refusal(client, host) for host in edges} == edges
        assert await permit_refusal(client, PEER_6) is None


async def test_data_for_a_refused_peer_does_not_reach_it(bridge: Switchboard) -> None:
    credentials = await credentials_of(bridge)
    async with within(), turn_client(URLS[0], credentials.username, credentials.password) as client:
        await client.allocate()
        async with echo_peer("10.99.0.1") as private:
            client.send(b"never answered", private)
            # What came back from there would come before what is sent later.
            assert await echoes(client, PEER)


async def test_two_callers_reach_each_other_at_the_servers_own_address(bridge: Switchboard) -> None:
    one, two = await credentials_of(bridge), await credentials_of(bridge)
    async with (
        within(),
        turn_client(URLS[0], one.username, one.password) as first,
        turn_client(URLS[1], two.username, two.password) as second,
    ):
        here, there = await first.allocate(), await second.allocate()
        await first.permit(SERVER)
        await second.permit(SERVER)
        first.send(b"hello", there)
        assert await second.receive() == (b"hello", here)
        second.send(b"hello yourself", here)
        assert await first.receive() == (b"hello yourself", there)


async def test_relaying_by_tcp_is_refused(bridge: Switchboard) -> None:
    credentials = await credentials_of(bridge)
    async with within(), turn_client(URLS[1], credentials.username, credentials.password) as client:
        with pytest.raises(Refused) as refused:
            await client.allocate(transport=TCP)
    assert refused.value.code == 442


async def test_no_secret_is_where_others_could_read_it(bridge: Switchboard, tmp_path: Path) -> None:
    secret = secret_of(bridge).encode()
    (child,) = [line["process"] for line in bridge.log if line["message"] == "coturn answers"]
    for pid in bridge.family:
        for name in ("cmdline", "environ"):
            assert secret not in Path(f"/proc/{pid}/{name}").read_bytes()
    assert child in bridge.family
    assert b"turnserver" in Path(f"/proc/{child}/cmdline").read_bytes()
    for file in filter(Path.is_file, bridge.home.iterdir()):
        assert secret not in file.read_bytes(), file

"""What a request may cost, where it may go, and what a failure may say."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.http import HttpClient, HttpFailed, HttpFault, HttpRequest
from tests.support.certificates import make_certificate, server_context
from tests.support.deadline import within
from tests.support.raw_http import SLOW, raw_server, reply

PLANTED = "planted-secret"


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    async with HttpClient() as entered:
        yield entered


def a_request(url: str, *, seconds: float = 10, max_bytes: int = 65_536) -> HttpRequest:
    """Return a request with a secret in every place that takes one."""
    return HttpRequest(
        method="POST",
        url=f"{url}/path?secretKey={PLANTED}",
        headers={"Authorization": f"Bearer {PLANTED}"},
        body=f'{{"secret":"{PLANTED}"}}'.encode(),
        seconds=seconds,
        max_bytes=max_bytes,
    )


async def fault_of(client: HttpClient, request: HttpRequest) -> HttpFault:
    with pytest.raises(HttpFailed) as failed:
        await client.fetch(request)
    assert PLANTED not in f"{failed.value} {failed.value!r} {failed.value.args}"
    return failed.value.fault


async def test_reply_comes_back_whatever_its_status(client: HttpClient) -> None:
    async with raw_server(reply("no such thing", status="418 Teapot")) as server:
        came = await client.fetch(a_request(server.url))
    assert (came.status, came.body) == (418, b"no such thing")


async def test_request_goes_out_as_it_was_written(client: HttpClient) -> None:
    async with raw_server(reply("")) as server:
        await client.fetch(a_request(server.url + "/a%7Eb"))
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(f"POST /a%7Eb/path?secretKey={PLANTED} HTTP/1.1\r\n".encode())
    assert f"Authorization: Bearer {PLANTED}".encode() in head
    assert b"User-Agent: Switchboard\r\n" in head
    assert body == f'{{"secret":"{PLANTED}"}}'.encode()


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_redirect_is_never_followed(client: HttpClient, status: str) -> None:
    async with raw_server(reply("")) as elsewhere:
        there = reply("", status=status, headers=f"Location: {elsewhere.url}/\r\n")
        async with raw_server(there) as server:
            assert (await client.fetch(a_request(server.url))).status == int(status[:3])
        assert elsewhere.requests == []


async def test_body_past_the_bound_is_not_read_to_its_end(client: HttpClient) -> None:
    async def endless(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 4096)
            await writer.drain()

    async with raw_server(endless) as server:
        assert await fault_of(client, a_request(server.url, max_bytes=10_000)) is HttpFault.TOO_LARGE


@pytest.mark.parametrize("size", [1000, 1001])
async def test_body_may_have_as_many_bytes_as_the_request_says(client: HttpClient, size: int) -> None:
    async with raw_server(reply(b"x" * size)) as server:
        request = a_request(server.url, max_bytes=1000)
        if size > 1000:
            assert await fault_of(client, request) is HttpFault.TOO_LARGE
        else:
            assert len((await client.fetch(request)).body) == size


async def test_compressed_body_is_not_unpacked(client: HttpClient) -> None:
    async with raw_server(reply(b"\x1f\x8b packed", headers="Content-Encoding: gzip\r\n")) as server:
        assert (await client.fetch(a_request(server.url))).body == b"\x1f\x8b packed"
        assert b"Accept-Encoding: identity\r\n" in server.requests[0]


async def test_server_that_does_not_answer_is_given_up_in_time(client: HttpClient) -> None:
    async with raw_server(SLOW) as server:
        assert await fault_of(client, a_request(server.url, seconds=0.05)) is HttpFault.LATE


async def test_connection_that_does_not_come_about_leaves_time_for_another_attempt(client: HttpClient) -> None:
    with socket.socket() as full, ExitStack() as others:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        # Nobody accepts: after these the kernel answers no further one.
        for _ in range(4):
            other = others.enter_context(socket.socket())
            other.setblocking(False)
            other.connect_ex(full.getsockname())
        request = replace(a_request(f"http://127.0.0.1:{full.getsockname()[1]}", seconds=300), connect_seconds=0.1)
        async with within(20):
            assert await fault_of(client, request) is HttpFault.LATE


async def test_connection_that_came_about_has_the_whole_time(client: HttpClient) -> None:
    began = asyncio.get_running_loop().time()
    async with raw_server(SLOW) as server:
        request = replace(a_request(server.url, seconds=0.6), connect_seconds=0.2)
        assert await fault_of(client, request) is HttpFault.LATE
    assert asyncio.get_running_loop().time() - began > 0.5


async def test_body_that_trickles_counts_against_the_same_deadline(client: HttpClient) -> None:
    async def trickle(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx")
        await asyncio.Event().wait()

    async with raw_server(trickle) as server:
        assert await fault_of(client, a_request(server.url, seconds=0.05)) is HttpFault.LATE


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200",
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X%d: x\r\n" % n for n in range(1000)) + b"\r\n",
    ],
)
async def test_answer_that_breaks_off_or_is_none_has_failed(client: HttpClient, said: bytes) -> None:
    async with raw_server(said) as server:
        assert await fault_of(client, a_request(server.url)) is HttpFault.BROKEN


async def test_nobody_listening_is_told(client: HttpClient) -> None:
    async with raw_server(reply("")) as server:
        url = server.url
    assert await fault_of(client, a_request(url)) is HttpFault.UNREACHABLE


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1", "http://example.org", "ftp://127.0.0.1", "//127.0.0.1", "", "http:"]
)
async def test_secret_goes_nowhere_without_encryption(client: HttpClient, url: str) -> None:
    assert await fault_of(client, a_request(url)) is HttpFault.EXPOSED


async def test_certificate_that_this_machine_does_not_trust_is_refused(client: HttpClient, tmp_path: Path) -> None:
    files = make_certificate(tmp_path)
    async with raw_server(reply(""), tls=server_context(*files)) as server:
        assert await fault_of(client, a_request(server.url)) is HttpFault.CERTIFICATE
        assert server.requests == []


async def test_certificate_that_is_trusted_passes_for_its_own_name_only(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    trusted = ssl.create_default_context(cafile=str(certificate))
    tls = server_context(certificate, key)
    async with raw_server(reply("here"), tls=tls) as server, HttpClient(trusted=trusted) as client, within(20):
        assert (await client.fetch(a_request(server.url))).body == b"here"
        other_name = server.url.replace("127.0.0.1", "localhost")
        assert await fault_of(client, a_request(other_name)) is HttpFault.CERTIFICATE


async def test_environment_has_no_say(client: HttpClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login planted password planted\n")
    async with raw_server(reply("")) as proxy, raw_server(reply("")) as server:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("NETRC", str(netrc))
        async with HttpClient() as fresh:
            await fresh.fetch(HttpRequest(method="GET", url=server.url))
        assert proxy.requests == []
        assert b"authorization" not in server.requests[0].lower()


async def test_cookie_is_not_kept(client: HttpClient) -> None:
    async with raw_server(reply("", headers="Set-Cookie: track=me\r\n")) as server:
        for _ in range(2):
            # Cookies of a bare address are never kept.
            await client.fetch(a_request(server.url.replace("127.0.0.1", "localhost")))
        assert server.requests[0] == server.requests[1]


async def test_nothing_of_a_request_is_logged(client: HttpClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with raw_server(reply(PLANTED)) as server:
        await client.fetch(a_request(server.url))
    async with raw_server(b"") as server:
        await fault_of(client, a_request(server.url))
    assert PLANTED not in caplog.text


def test_neither_request_nor_reply_shows_what_it_carries() -> None:
    assert PLANTED not in repr(a_request("https://example.org"))


async def test_client_that_is_not_entered_sends_nothing() -> None:
    with pytest.raises(RuntimeError, match="not entered"):
        await HttpClient().fetch(a_request("https://example.org"))

"""Asking a server for one page: what comes along, and why nothing comes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.doctor.page import MAX_PAGE_BYTES, Page, PageFailed, certificate_end, fetch
from client.clock import SystemClock
from nips.nip11 import MEDIA_TYPE
from tests.support.certificates import make_certificate, server_context
from tests.support.deadline import SCALE, within
from tests.support.odd_relay import OddRelay
from tests.support.tls_front import tls_front

CLOCK = SystemClock()
DAY = 86_400


async def page_at(url: str) -> Page:
    async with within():
        return await fetch(url, accept=MEDIA_TYPE, clock=CLOCK, seconds=SCALE)


@asynccontextmanager
async def saying(answer: bytes) -> AsyncIterator[str]:
    """Serve the same bytes to everybody."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(say, "127.0.0.1", 0)
    async with server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/there?a=b"


async def test_page_comes_with_its_headers_and_the_time_of_its_answer() -> None:
    before = CLOCK.now()
    async with OddRelay(document={"name": "odd"}) as relay:
        page = await page_at(relay.url)
    assert (page.status, page.body) == (200, '{"name": "odd"}')
    assert page.headers["content-type"] == MEDIA_TYPE
    assert before <= page.asked_at <= CLOCK.now() + 1
    assert page.certificate_ends is None


async def test_chunks_are_put_together() -> None:
    async with saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n") as url:
        assert (await page_at(url)).body == "{}"


async def test_endless_page_is_cut() -> None:
    async with saying(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2 * MAX_PAGE_BYTES) as url:
        assert len((await page_at(url)).body) < MAX_PAGE_BYTES + 65_536


@pytest.mark.parametrize("answer", [b"SSH-2.0-x\r\n", b"", b"\xff\xfe\r\n\r\n"])
async def test_what_does_not_speak_http_is_said_to_be_that(answer: bytes) -> None:
    async with saying(answer) as url:
        with pytest.raises(PageFailed, match="does not speak HTTP"):
            await page_at(url)


async def test_nobody_listening_is_said_at_once() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(PageFailed, match="nobody listens") as failure:
            await page_at(f"ws://127.0.0.1:{bound.getsockname()[1]}")
    assert "start the server" in failure.value.fix


async def test_server_that_says_nothing_costs_only_the_patience() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        begun = CLOCK.monotonic()
        with pytest.raises(PageFailed, match="no answer within"):
            await page_at(f"ws://127.0.0.1:{deaf.getsockname()[1]}")
    assert CLOCK.monotonic() - begun < 3 * SCALE


async def test_name_that_does_not_resolve_is_named() -> None:
    with pytest.raises(PageFailed, match=r"the name nowhere\.invalid does not resolve"):
        await page_at("ws://nowhere.invalid")


async def test_certificate_that_is_accepted_tells_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = make_certificate(tmp_path, days=5)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with OddRelay() as relay, tls_front(relay.port, server_context(certificate, key)) as port:
        page = await page_at(f"wss://127.0.0.1:{port}")
        ends = await certificate_end("127.0.0.1", port, name="127.0.0.1", seconds=SCALE)
    assert page.status == 200
    assert page.certificate_ends == ends
    assert 4 * DAY < (page.certificate_ends or 0) - CLOCK.now() <= 5 * DAY


@pytest.mark.parametrize(
    ("host", "days", "is_known", "words"),
    [
        ("127.0.0.1", 5, False, "self"),
        ("127.0.0.1", -1, True, "expired"),
        ("other.example.org", 5, True, "mismatch"),
    ],
)
async def test_certificate_that_is_not_accepted_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, days: float, is_known: bool, words: str
) -> None:
    certificate, key = make_certificate(tmp_path, host=host, days=days)
    if is_known:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with OddRelay() as relay, tls_front(relay.port, server_context(certificate, key)) as port:
        with pytest.raises(PageFailed, match=f"certificate is not accepted: .*{words}"):
            await page_at(f"wss://127.0.0.1:{port}")


async def test_tls_where_there_is_none_is_named() -> None:
    async with OddRelay() as relay:
        with pytest.raises(PageFailed, match="closes the connection at once"):
            await page_at(f"wss://127.0.0.1:{relay.port}")

"""The bridge that is looked at: its addresses, and one question for each relay."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.doctor.page import PageFailed
from bridge.doctor.subject import read_key
from bridge.settings.tree import Settings
from tests.bridge.doctor.examining import a_subject, upstream
from tests.support.deadline import within
from tests.support.odd_relay import OddRelay

RELAY = Settings().relay
BRIDGE = Settings().bridge


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        ("127.0.0.1", 7447, "ws://127.0.0.1:7447"),
        ("0.0.0.0", 7447, "ws://127.0.0.1:7447"),
        ("::", 7447, "ws://[::1]:7447"),
        ("10.1.2.3", 80, "ws://10.1.2.3:80"),
        ("127.0.0.1", 0, None),
        ("::1", 0, None),
    ],
)
async def test_own_endpoint_is_found_where_it_listens(tmp_path: Path, host: str, port: int, url: str | None) -> None:
    subject = await a_subject(tmp_path, relay=replace(RELAY, host=host, port=port))
    assert subject.local_url == url
    if not port:
        assert replace(subject, port=7000).local_url == f"ws://{'[::1]' if ':' in host else host}:7000"


async def test_clients_are_told_the_public_address_and_relays_of_others(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path, relay=replace(RELAY, port=7447))
    assert subject.announced == ["ws://127.0.0.1:7447"]
    settings = replace(subject.settings, **upstream("wss://a.example.org", "wss://A.example.org:443/"))  # type: ignore[arg-type]
    subject = replace(subject, settings=settings)
    assert subject.announced == subject.relays
    assert len(subject.relays) == 1
    settings = replace(settings, bridge=replace(BRIDGE, public_url="wss://b.example.org"))
    assert replace(subject, settings=settings).announced == ["wss://b.example.org", *subject.relays]


async def test_each_relay_is_asked_for_its_document_once(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path)
    async with within():
        async with OddRelay() as relay:
            pages = await asyncio.gather(*(subject.pages.get(relay.url) for _ in range(5)))
        assert all(page is pages[0] for page in pages)
        assert await subject.pages.get(relay.url) is pages[0]


async def test_relay_that_failed_fails_for_everybody_and_is_not_asked_again(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path)
    async with within(), OddRelay() as relay:
        url = relay.url
    for _ in range(2):
        with pytest.raises(PageFailed, match="nobody listens"):
            await subject.pages.get(url)


async def test_key_is_read_where_it_can_be(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path)
    assert subject.public_key is not None
    (tmp_path / "storage.key").write_text("1:" + "0" * 64 + "\n")
    assert read_key(subject.home, subject.settings, {}) is None

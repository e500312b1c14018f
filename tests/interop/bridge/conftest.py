"""A coturn and a bridge for each module of tests here; everybody who comes brings a new key."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.interop.bridge.installation import with_coturn
from tests.support.coturn import CoturnServer, coturn_server, is_installed
from tests.support.process import Switchboard


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def coturn(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CoturnServer]:
    """Run coturn, or skip and say what is missing."""
    if not is_installed():
        pytest.skip("no turnserver: run ./test as root, or apt-get install coturn")
    async with coturn_server(tmp_path_factory.mktemp("coturn")) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bridge(coturn: CoturnServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Switchboard]:
    """Run a bridge that hands out credentials for coturn."""
    async with with_coturn(tmp_path_factory.mktemp("bridge"), coturn) as bridge:
        yield bridge
    assert bridge.complaints == []

"""What several tests about providers need."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bridge.http import HttpClient


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    async with HttpClient() as client:
        yield client

"""Addresses: what names mean here, and who can reach that."""

from __future__ import annotations

import socket

import pytest

from bridge.doctor.addresses import is_for_everybody, resolved
from tests.support.deadline import within


async def test_name_has_the_addresses_of_each_family() -> None:
    async with within():
        assert "127.0.0.1" in await resolved("localhost", socket.AF_INET)
        assert await resolved("127.0.0.1", socket.AF_INET6) == []
        assert await resolved("::1") == ["::1"]
        assert await resolved("nowhere.invalid") == []


@pytest.mark.parametrize(
    ("address", "is_public"),
    [
        ("8.8.8.8", True),
        ("2600::1", True),
        ("10.0.0.1", False),
        ("127.0.0.1", False),
        ("169.254.1.1", False),
        ("fd00::1", False),
        ("::1", False),
        ("100.64.0.1", False),
    ],
)
def test_private_and_special_addresses_are_not_for_everybody(address: str, is_public: bool) -> None:
    assert is_for_everybody(address) is is_public

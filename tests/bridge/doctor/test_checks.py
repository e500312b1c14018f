"""Which checks there are: all families, and one for each relay, name and STUN server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bridge.doctor.checks import all_checks
from bridge.settings.tree import Settings
from bridge.settings.turn import ProviderKind
from tests.bridge.doctor.examining import a_subject, upstream

TURN = Settings().turn


async def test_everything_that_is_configured_is_looked_at(tmp_path: Path) -> None:
    turn = replace(
        TURN,
        providers=(ProviderKind.COTURN,),
        coturn=replace(TURN.coturn, urls=("turn:turn.example.org",)),
        stun_urls=("stun:stun.example.org",),
    )
    subject = await a_subject(tmp_path, turn=turn, **upstream("wss://a.example.org", "wss://b.example.org"))
    checks = {(check.family, check.about) for check in all_checks(subject)}
    assert {family for family, _ in checks} == {
        "files",
        "database",
        "ports",
        "running",
        "clock",
        "endpoint",
        "public",
        "relay",
        "names",
        "turn",
    }
    assert {about for family, about in checks if family == "relay"} == {"wss://a.example.org", "wss://b.example.org"}
    assert {about for family, about in checks if family == "names"} == {"turn.example.org", "stun.example.org"}
    assert ("turn", "stun:stun.example.org") in checks

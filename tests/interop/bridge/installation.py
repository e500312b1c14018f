"""Bridges as their operators would set them up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bridge.home import write_secret
from bridge.settings.tree import Settings
from bridge.settings.turn import ProviderKind
from tests.support.coturn import CoturnServer
from tests.support.process import Change, Switchboard


def with_coturn(
    home: Path, server: CoturnServer, *init_options: str, change: Change = lambda settings: settings
) -> Switchboard:
    """Plan a bridge in a folder that shares its secret with a coturn."""
    write_secret(home / Settings().turn.coturn.secret_files[0], server.secret)

    def with_urls(settings: Settings) -> Settings:
        turn = replace(
            settings.turn, providers=(ProviderKind.COTURN,), coturn=replace(settings.turn.coturn, urls=server.urls)
        )
        return change(replace(settings, turn=turn))

    return Switchboard(home, *init_options, change=with_urls)

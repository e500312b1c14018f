"""`switchboard init`: a new bridge in a folder of its own."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bridge.cli.card import facts_of, show_card
from bridge.cli.options import DEFAULT_HOME, HomeOption, read_key_file
from bridge.errors import StartupError
from bridge.home import Home, write_secret
from bridge.identity import Identity, make_identity
from bridge.settings.reading import parse_settings
from bridge.settings.rendering import render
from bridge.settings.service import TurnProvider
from bridge.settings.tree import Settings
from client.entropy import SystemEntropy
from nips.keys import SecretKey
from storage.key_file import make_key_file

BUILDIT_COST = (
    "--buildit: anybody who names a recipient can now read, without proving a key, how many wraps wait for it and when "
    "they come (never what is in them); and requests in unsigned seals are taken, which whoever steals this bridge's "
    "key could forge. Turn both off in [compat] once your clients sign seals and answer AUTH."
)


def command(
    home: HomeOption = DEFAULT_HOME,
    public_url: Annotated[
        str,
        typer.Option(
            metavar="URL", help="Address under which clients reach the relay, such as wss://relay.example.org."
        ),
    ] = "",
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on.")] = None,
    turn_host: Annotated[
        str,
        typer.Option(metavar="HOST", help="Host of a coturn server: sets up credentials for it and makes its secret."),
    ] = "",
    buildit: Annotated[
        bool,
        typer.Option("--buildit", help="Serve BuildIt's clients, which deviate from NIP-42 and NIP-59. It has a cost."),
    ] = False,
    secret_key_file: Annotated[
        Path | None, typer.Option(help="File with a Nostr secret key (nsec or hex) to use instead of a fresh one.")
    ] = None,
) -> None:
    """Make a bridge: keys, storage key, database, and a relay.toml in which every key is explained."""
    place = Home(home)
    if place.settings_file.exists():
        raise StartupError(
            f"{place.settings_file} exists: this bridge is made; `switchboard run --home {home}` starts it"
        )
    secret = read_key_file(secret_key_file) if secret_key_file else None
    settings = _choose(public_url=public_url, port=port, turn_host=turn_host, buildit=buildit)
    parse_settings(render(settings), source="the options given")
    identity = asyncio.run(make_home(place, settings, secret=secret))
    if turn_host:
        write_secret(home / settings.turn.coturn.secret_files[0], SystemEntropy().draw(32).hex())
    _say(place, settings, identity, buildit)


def _choose(*, public_url: str, port: int | None, turn_host: str, buildit: bool) -> Settings:
    settings = Settings()
    settings = replace(settings, bridge=replace(settings.bridge, public_url=public_url))
    if port is not None:
        settings = replace(settings, relay=replace(settings.relay, port=port))
    if turn_host:
        host = f"[{turn_host}]" if ":" in turn_host else turn_host
        urls = (f"turn:{host}:3478?transport=udp", f"turn:{host}:3478?transport=tcp")
        turn = replace(settings.turn, provider=TurnProvider.COTURN, urls=urls, stun_urls=(f"stun:{host}:3478",))
        settings = replace(settings, turn=turn)
    if buildit:
        settings = replace(settings, compat=replace(settings.compat, unsigned_seals=True, read_without_auth=True))
    return settings


async def make_home(home: Home, settings: Settings, *, secret: SecretKey | None) -> Identity:
    """Make the folder with settings, storage key and database, and return the bridge's new keys."""
    home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    make_key_file(home.path / settings.storage.key_file)
    storage = await home.open_storage(settings, {})
    try:
        identity = await make_identity(storage.secrets, SystemEntropy(), secret=secret)
    finally:
        await storage.close()
    # Last, because its presence says that the bridge is complete.
    home.settings_file.write_text(render(settings), encoding="utf-8")
    return identity


def _say(home: Home, settings: Settings, identity: Identity, buildit: bool) -> None:
    console = Console()
    key = identity.secret.public_key
    facts = facts_of(key, [settings.relay_url()])
    show_card(console, "Your switchboard", facts, code=f"nostr:{dict(facts)['nprofile']}")
    console.print(f"Made {home.path}/ with relay.toml, storage.key and switchboard.db. Back up storage.key apart.")
    if settings.turn.provider is TurnProvider.NONE:
        console.print(r"No TURN server yet: set \[turn] in relay.toml, or see it all work with `switchboard demo`.")
    else:
        secret_file = home.path / settings.turn.coturn.secret_files[0]
        console.print(f"coturn needs: use-auth-secret, and static-auth-secret= the text in {secret_file}.")
    if buildit:
        console.print(BUILDIT_COST, style="yellow")
    command = "switchboard run" if home.path == DEFAULT_HOME else f"switchboard run --home {home.path}"
    console.print(f"Next: {command}", style="bold", highlight=False)

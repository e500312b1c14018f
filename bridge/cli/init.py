"""`switchboard init`: a new bridge in a folder of its own."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from bridge.cli.card import facts_of, show_card
from bridge.cli.options import DEFAULT_HOME, HomeOption, read_key_file
from bridge.errors import StartupError
from bridge.home import Home, made_already
from bridge.identity import Identity, make_identity
from bridge.program import typed
from bridge.settings.ice_url import IceUrl, is_address, parse_ice_url
from bridge.settings.reading import parse_settings
from bridge.settings.rendering import render
from bridge.settings.tree import Settings
from bridge.settings.turn import ProviderKind
from bridge.turn.managed.from_settings import none_because
from client.entropy import SystemEntropy
from nips.keys import SecretKey
from storage.database_file import holds_data
from storage.key_file import load_key_ring

BUILDIT_COST = (
    "--buildit: anybody who names a recipient can now read, without proving a key, how many wraps wait for it and when "
    "they come (never what is in them); and requests in unsigned seals are taken, which whoever steals this bridge's "
    "key could forge. Turn both off in [compat] once your clients sign seals and answer AUTH."
)
TURN_PORT = 3478
"""Where STUN and TURN servers listen unless somebody says otherwise (RFC 8656)."""


def command(
    home: HomeOption = DEFAULT_HOME,
    public_url: Annotated[
        str,
        typer.Option(
            metavar="URL", help="Address under which clients reach the relay, such as wss://relay.example.org."
        ),
    ] = "",
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="Port of the relay. Beside one that is not the default, metrics take any that is free.",
        ),
    ] = None,
    turn_host: Annotated[
        str | None,
        typer.Option(
            metavar="HOST[:PORT]",
            help="Where a coturn server is: sets up credentials for it and makes its secret, unless turn.secret is "
            "there already.",
        ),
    ] = None,
    buildit: Annotated[
        bool,
        typer.Option("--buildit", help="Serve BuildIt's clients, which deviate from NIP-42 and NIP-59. It has a cost."),
    ] = False,
    secret_key_file: Annotated[
        Path | None, typer.Option(help="File with a Nostr secret key (nsec or hex) to use instead of a fresh one.")
    ] = None,
    brief: Annotated[bool, typer.Option("--brief", help="Say in one line what was made, and nothing else.")] = False,
) -> None:
    """Make a bridge: keys, storage key, database, and a relay.toml in which every key is explained.

    An init that was interrupted is finished by the next one: keys, database and turn.secret that are there already are
    used and never replaced.
    """
    place = Home(home)
    if place.is_made():
        raise StartupError(made_already(place))
    secret = read_key_file(secret_key_file) if secret_key_file else None
    settings = _choose(public_url=public_url, port=port, turn_host=turn_host, buildit=buildit)
    parse_settings(render(settings), source="the options given")
    turn_secret = None if turn_host is None else SystemEntropy().draw(32).hex()
    found = _found(place, settings)
    identity = asyncio.run(make_home(place, settings, secret=secret, turn_secret=turn_secret, environment=os.environ))
    words = _Words(place, settings)
    if brief:
        words.brief()
    else:
        words.card(identity)
        words.made(found)
        words.turn()
        if buildit:
            words.warn(BUILDIT_COST)
        words.next_step()


def _choose(*, public_url: str, port: int | None, turn_host: str | None, buildit: bool) -> Settings:
    settings = Settings()
    settings = replace(settings, bridge=replace(settings.bridge, public_url=public_url))
    if port not in (None, settings.relay.port):
        # The one beside another bridge; its metrics must not meet those of the other.
        metrics = replace(settings.metrics, port=0)
        settings = replace(settings, relay=replace(settings.relay, port=port), metrics=metrics)
    if turn_host is not None:
        server = _turn_server(turn_host)
        urls = tuple(str(replace(server, transport=transport)) for transport in ("udp", "tcp"))
        turn = replace(
            settings.turn,
            providers=(ProviderKind.COTURN,),
            stun_urls=(str(replace(server, scheme="stun")),),
            coturn=replace(settings.turn.coturn, urls=urls),
        )
        settings = replace(settings, turn=turn)
    if buildit:
        settings = replace(settings, compat=replace(settings.compat, unsigned_seals=True, read_without_auth=True))
    return settings


def _turn_server(text: str) -> IceUrl:
    """Return the server that --turn-host means: a name or address, with a port or without."""
    bracketed = f"[{text}]" if ":" in text and is_address(text) else text
    try:
        url = parse_ice_url(f"turn:{bracketed}")
        if url.transport is not None:
            raise ValueError("it names a transport")
    except ValueError:
        raise StartupError(
            f"--turn-host {shlex.quote(text)}: write a host, and its port if it is not {TURN_PORT}, such as "
            f"turn.example.org, turn.example.org:5349 or [2001:db8::1]:{TURN_PORT}"
        ) from None
    return replace(url, port=url.port or TURN_PORT)


def _found(home: Home, settings: Settings) -> list[str]:
    """Return the files of a bridge that are there although it is not made."""
    names = [settings.storage.file]
    if home.key_source(settings, os.environ).is_configured:
        names.insert(0, settings.storage.key_file)
    if ProviderKind.COTURN in settings.turn.providers:
        names += settings.turn.coturn.secret_files
    return [name for name in names if holds_data(home.path / name)]


async def make_home(
    home: Home,
    settings: Settings,
    *,
    secret: SecretKey | None,
    turn_secret: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Identity:
    """Make the folder with storage key, database, TURN secret and settings, and return the bridge's keys.

    The settings come last and whole, because their presence says that the bridge is complete. What an earlier try left
    is used and never replaced: a storage key, a database that opens under it, the keys in that, a TURN secret. So what
    broke off anywhere is finished by doing it again. A storage key that the environment names is used, and none made.

    Raise `StartupError` or `StorageError` where that cannot be: a database without its storage key or under another, a
    Nostr key in it that is not `secret`, a TURN secret that others can read, a folder that cannot be written.
    """
    environment = environment or {}
    source = home.key_source(settings, environment)
    if source.is_configured:
        home.make_folder()
        home.make_key(settings)
    else:
        # Before anything is made: a bridge whose key cannot be read would not start.
        load_key_ring(source)
        home.make_folder()
    storage = await home.open_storage(settings, environment, create=True)
    try:
        identity = await make_identity(storage.secrets, SystemEntropy(), secret=secret)
        if turn_secret is not None:
            home.make_secret(settings.turn.coturn.secret_files[0], "[turn.coturn] secret_files", turn_secret)
        # While the database is held: of two that make the same bridge one is told so.
        home.write_settings(settings)
    finally:
        await storage.close()
    return identity


class _Words:
    """What is said about a new bridge. Paths and settings are said as they are: nothing in them is markup."""

    def __init__(self, home: Home, settings: Settings) -> None:
        self._home = home
        self._settings = settings
        self._key = home.key_source(settings, os.environ)
        self._console = Console()

    def brief(self) -> None:
        """Say what was made, in one line."""
        self._say(f"Made {self._home.path}/; back up {self._key.shown} apart from the database.")

    def card(self, identity: Identity) -> None:
        """Show where the bridge is found, with a code to scan if others than this machine find it there."""
        settings = self._settings
        is_public = bool(settings.bridge.public_url)
        # Which port is free is known when it runs.
        relays = [settings.relay_url()] if is_public or settings.relay.port else []
        facts = facts_of(identity.secret.public_key, relays)
        code = f"nostr:{dict(facts)['nprofile']}" if is_public else None
        show_card(self._console, "Your switchboard", facts, code=code)
        if not is_public:
            self._say("Reachable from this machine only: set public_url in [bridge] of relay.toml.")

    def made(self, found: list[str]) -> None:
        """Say what is in the folder, and what of it was there before."""
        storage = self._settings.storage
        names = [storage.key_file] if self._key.is_configured else []
        self._say(f"Made {self._home.path}/ with {', '.join(['relay.toml', *names])} and {storage.file}.")
        if found:
            self._say(f"Used as it was there: {', '.join(found)}.")
        self._say(f"Back up {self._key.shown} apart from the database.")

    def turn(self) -> None:
        """Say what coturn needs, or that there are no credentials yet."""
        turn = self._settings.turn
        if not turn.providers:
            missing = none_because(self._settings)
            found = "a coturn of its own will run along" if missing is None else f"none yet, {missing}"
            self._say(f"TURN server: {found}; set [turn] in relay.toml, or see it all work with `{typed('demo')}`.")
        else:
            secret_file = self._home.path / turn.coturn.secret_files[0]
            self._say(f"coturn needs: use-auth-secret, and static-auth-secret= the text in {secret_file}.")

    def warn(self, text: str) -> None:
        """Say what something costs."""
        self._console.print(Text(text, style="yellow"))

    def next_step(self) -> None:
        """Say how to start it."""
        where = "" if self._home.path == DEFAULT_HOME else f" --home {shlex.quote(str(self._home.path))}"
        self._say(f"Next: {typed('run')}{where}", style="bold")

    def _say(self, text: str, *, style: str = "") -> None:
        self._console.print(Text(text, style=style), soft_wrap=True)

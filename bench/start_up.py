"""Starting on a database that is in use: from the start of the process to its word that it is ready.

The wraps are put there by the storage itself, since to publish them would take longer than everything else here.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.figures import Better, Figure
from bench.machine import Cores
from bench.program import Program
from bench.publishing import wraps
from bench.rounds import middle
from bench.scope import Scope
from bridge.home import SETTINGS_FILE, Home
from bridge.settings.reading import load_settings
from client.clock import SystemClock
from client.entropy import SystemEntropy, draw_key
from nips.event import VerifiedEvent
from nips.keys import PublicKey
from storage.interface import Added

RECIPIENTS = 100
AT_ONCE = 500
QUOTA = 1_000_000
EMPTY = "the same on an empty database"

_CLOCK, _ENTROPY = SystemClock(), SystemEntropy()


def measure(scope: Scope, cores: Cores) -> Iterator[Figure]:
    """Yield the seconds."""
    with tempfile.TemporaryDirectory() as folder:
        programs = {name: Program(Path(folder) / name, cores=cores.measured) for name in ("full", "empty")}
        for program in programs.values():
            program.make()
        asyncio.run(fill(Path(folder) / "full", scope.kept))
        times = middle({name: partial(_start, program) for name, program in programs.items()}, scope.rounds)
    yield Figure(
        name=f"start-up with {scope.kept:,} wraps".replace(",", " "),
        value=times["full"],
        unit="s",
        better=Better.LOWER,
        peer=EMPTY,
        peer_value=times["empty"],
    )


def _start(program: Program) -> float:
    took = program.start()
    program.stop()
    return took


async def fill(folder: Path, amount: int) -> None:
    """Keep so many wraps for some recipients in a bridge's database."""
    settings = load_settings(folder / SETTINGS_FILE)
    storage = await Home(folder).open_storage(settings, {})
    try:
        recipients = [draw_key(_ENTROPY).public_key for _ in range(RECIPIENTS)]
        (pattern,) = wraps(1, recipients[:1])
        expires_at = _CLOCK.now() + 7 * 86_400
        for start in range(0, amount, AT_ONCE):
            chosen = [recipients[number % RECIPIENTS] for number in range(start, min(start + AT_ONCE, amount))]
            keeping = (
                storage.gift_wraps.add(_like(pattern, each), recipient=each, expires_at=expires_at, quota=QUOTA)
                for each in chosen
            )
            assert set(await asyncio.gather(*keeping)) == {Added.ADDED}
    finally:
        await storage.close()


def _like(wrap: VerifiedEvent, recipient: str) -> VerifiedEvent:
    """Return an event as long as another, of its own id and author; nobody checks its signature any more."""
    tags = (("p", recipient), *wrap.tags[1:])
    identity, author, signature = (_ENTROPY.draw(size).hex() for size in (32, 32, 64))
    return VerifiedEvent(identity, PublicKey(author), _CLOCK.now(), wrap.kind, tags, wrap.content, signature)

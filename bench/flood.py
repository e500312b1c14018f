"""Fresh keys in bulk against an open bridge: what an account notices of it, and what each of their wraps costs us.

The budget for newcomers is used up beforehand, so every wrap of the flood is worth nothing: the first few hundred are
told that work is asked, the rest meets with silence. It comes from as many addresses as connections, each with as many
unanswered wraps as the relay lets it have. The account asks one request after the other, on a connection that proved
its key, once without the flood and once for as long as the flood lasts.

The wraps are made beforehand, and sent by a process of its own, which shares a core with the one that measures.
"""

from __future__ import annotations

import json
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

from bench import bound
from bench.channel import Channel, frame
from bench.figures import Better, Figure
from bench.latency import percentile
from bench.load import Lane, drive
from bench.machine import Cores, cpu_seconds, pinned
from bench.program import Program, unhindered
from bench.rounds import rate
from bench.scope import Scope
from bench.turn import Askers, askers
from bridge.settings.accounts import LimiterSettings
from bridge.settings.tree import Settings
from nips import kinds
from tests.support.crowd import frames_of_fresh_keys

CONNECTIONS = 20
WINDOW = 64
AIM = 2.0
"""How many times as long an account may wait for its answers."""

KIND = kinds.GIFT_WRAP
PATIENCE_SECONDS = 120.0


def measure(scope: Scope, cores: Cores) -> Iterator[Figure]:
    """Yield an account's latency under a flood beside that without, and a wrap's cost beside its curve operations."""
    calm, flooded, costs = list[list[float]](), list[list[float]](), list[float]()
    with (
        tempfile.TemporaryDirectory() as folder,
        Program(Path(folder) / "home", cores=cores.measured, change=for_floods) as program,
        askers(program, 1) as crowd,
    ):
        crowd.run(1, kind=kinds.EPHEMERAL_GIFT_WRAP)
        for _ in range(scope.rounds):
            calm.append([_one(crowd) for _ in range(scope.calm_requests)])
            flooded.append(_during_flood(program, crowd, scope.hostile))
            costs.append(_cost(program, scope.hostile))
        with pinned(cores.measured):
            opened = rate(bound.opening(), scope.seconds)
    for percent in (50, 99):
        without = 1000 * median(percentile(taken, percent) for taken in calm)
        yield Figure(
            name=f"answer to an account while fresh keys flood the bridge, p{percent}",
            value=1000 * median(percentile(taken, percent) for taken in flooded),
            unit="ms",
            better=Better.LOWER,
            peer="the same without the flood",
            peer_value=without,
            aim=float(f"{AIM * without:.3g}") if percent == 99 else None,
        )
    yield Figure(
        name="wrap of a fresh key that is refused, CPU of the bridge",
        value=1e6 * median(costs),
        unit="µs",
        better=Better.LOWER,
        peer=bound.OPENING,
        peer_value=1e6 / opened,
    )


def for_floods(settings: Settings) -> Settings:
    """Return settings with room for a single account, and addresses that the flood chooses."""
    settings = unhindered(settings)
    budget = LimiterSettings(burst=1, refill_seconds=31_536_000)
    return replace(
        settings,
        accounts=replace(settings.accounts, budget=budget),
        relay=replace(settings.relay, trusted_proxies=("127.0.0.1",)),
    )


def _one(crowd: Askers) -> float:
    return 1 / crowd.run(1, kind=kinds.EPHEMERAL_GIFT_WRAP).per_second


def _during_flood(program: Program, crowd: Askers, amount: int) -> list[float]:
    with _flood(program, amount) as source:
        source.send("go")
        taken = [_one(crowd)]
        while not source.poll():
            taken.append(_one(crowd))
        source.recv()
    return taken


def _cost(program: Program, amount: int) -> float:
    """Return the seconds that the bridge had of the cores for each wrap, with nobody else there."""
    with _flood(program, amount) as source:
        before = cpu_seconds(program.pid)
        source.send("go")
        answered: int = source.recv()
        return (cpu_seconds(program.pid) - before) / answered


@contextmanager
def _flood(program: Program, amount: int) -> Iterator[Connection]:
    """Prepare a flood: it begins when it is told anything, and tells how many of its wraps were acknowledged."""
    frames = [made for _, made in frames_of_fresh_keys(program.public_key, amount, kind=KIND)]
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=send_flood, args=(program.url, frames, theirs))
    process.start()
    try:
        assert ours.recv() == "ready"
        yield ours
    finally:
        process.join(PATIENCE_SECONDS)
        if process.is_alive():
            process.kill()
        ours.close()


def send_flood(url: str, frames: Sequence[str], told: Connection) -> None:
    """Send frames over many connections at once, each with its own address; say when ready, and how many passed."""
    with ExitStack() as stack:
        lanes = []
        for number in range(min(CONNECTIONS, len(frames))):
            channel = stack.enter_context(Channel(url, sender=f"198.51.100.{number}"))
            lanes.append(Lane(channel, deque(map(frame, frames[number::CONNECTIONS])), WINDOW))
        told.send("ready")
        told.recv()
        drive(lanes, seconds=PATIENCE_SECONDS, is_answer=lambda text: text.startswith(b'["OK"'))
        told.send(sum(_passed(lane.texts) for lane in lanes))


def _passed(texts: Sequence[bytes]) -> int:
    messages = [json.loads(text) for text in texts]
    return sum(message[0] == "OK" and message[2] is True for message in messages)

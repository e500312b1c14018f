"""Find out about a relay, then put it to the checks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum

from nips.event import Event
from tests.relay.checks import Check, CheckFailed, NotApplicable
from tests.relay.scene import Scene
from tests.relay.target import PATIENCE, PROBED_KINDS, STORED_KINDS, Target, document_of

MOST_WAITS = 10
"""A check that waits in vain more often than this has gone astray."""
SHOWN_FRAMES = 8
SHOWN_CHARACTERS = 300


class Outcome(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True)
class Result:
    """How a check ended, why, and what was said at the end."""

    check: Check
    outcome: Outcome
    words: str = ""
    frames: Sequence[str] = ()


async def probe(target: Target) -> Target:
    """Return the target with what it says about itself, which kinds it takes, and what it answers."""
    with suppress(OSError):
        target = replace(target, information=document_of(await target.fetch(Accept="application/nostr+json")))
    async with Scene(target) as scene:
        client = await scene.connect()
        if (await client.request(target.nothing)).closed is not None:
            # A relay that shows some kinds to some people only may want to hear which kinds are meant.
            target = replace(target, nothing={**target.nothing, "kinds": [1]})
    async with Scene(target) as scene:
        kinds, no_auth, counts, hints = await asyncio.gather(
            asyncio.gather(*(_probe_kind(scene, kind) for kind in PROBED_KINDS)),
            _why_no_auth(scene),
            _does(_counts, scene),
            _does(_hints, scene),
        )
    return replace(
        target,
        refused={kind: words for kind, words, _ in kinds if words},
        kept=frozenset(kind for kind, _, is_kept in kinds if is_kept),
        no_auth=no_auth,
        counts=counts,
        hints=hints,
    )


async def run_check(check: Check, target: Target) -> Result:
    """Return how one check ends with a target that was probed."""
    scene = Scene(target)
    try:
        async with asyncio.timeout(PATIENCE + MOST_WAITS * target.timeout), scene:
            await check.script(scene)
    except NotApplicable as reason:
        return Result(check, Outcome.NOT_APPLICABLE, str(reason))
    except CheckFailed as error:
        return Result(check, Outcome.FAILED, str(error), _end_of(scene.log))
    except TimeoutError:
        words = f"the check did not end within {PATIENCE + MOST_WAITS * target.timeout:g} s"
        return Result(check, Outcome.FAILED, words, _end_of(scene.log))
    return Result(check, Outcome.PASSED)


async def run_checks(
    checks: Sequence[Check], target: Target, *, at_once: int, on_result: Callable[[Result], None]
) -> list[Result]:
    """Return the results in the order of the checks; tell each as it comes."""
    places = asyncio.Semaphore(at_once)

    async def run(check: Check) -> Result:
        async with places:
            result = await run_check(check, target)
        on_result(result)
        return result

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(run(check)) for check in checks]
    return [task.result() for task in running]


async def _probe_kind(scene: Scene, kind: int) -> tuple[int, str, bool]:
    """Return a kind, why a good event of it was refused, and whether everybody can read it; on its own connection."""
    event = _sample(scene, kind)
    try:
        client = await scene.connect()
        await client.must_take(event)
        is_kept = kind in STORED_KINDS and event.id in (await client.request({"ids": [event.id]})).ids
    except (CheckFailed, NotApplicable) as reason:
        return kind, str(reason), False
    return kind, "", is_kept


def _sample(scene: Scene, kind: int) -> Event:
    if kind in (1059, 21059):
        return scene.wrap(scene.key(), kind=kind)
    return scene.event(kind, tags=[("relay", scene.target.url)] if kind == 62 else ())


async def _why_no_auth(scene: Scene) -> str:
    client = await scene.connect_unproved()
    try:
        await client.authenticate(scene.key())
    except (CheckFailed, NotApplicable) as reason:
        return str(reason)
    return ""


async def _counts(scene: Scene) -> bool:
    client = await scene.connect()
    await client.count({"ids": ["0" * 64]})
    return True


async def _hints(scene: Scene) -> bool:
    client = await scene.connect()
    return len((await client.request({"ids": ["0" * 64]})).end) > 2


async def _does(ask: Callable[[Scene], Awaitable[bool]], scene: Scene) -> bool:
    try:
        return await ask(scene)
    except CheckFailed:
        return False


def _end_of(log: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        frame if len(frame) <= SHOWN_CHARACTERS else f"{frame[:SHOWN_CHARACTERS]}… ({len(frame)} characters)"
        for frame in log[-SHOWN_FRAMES:]
    )

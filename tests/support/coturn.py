"""A coturn beside the bridge, as an operator would run one: on the loopback interface, with a secret to share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bridge.turn.managed.child import Child, find_program
from client.entropy import SystemEntropy
from tests.bridge.turn.managed.plans import LOOPBACK, a_plan
from tests.support.deadline import within

HOST = str(LOOPBACK)


@dataclass(frozen=True, slots=True)
class CoturnServer:
    """A running coturn."""

    port: int
    secret: str = field(repr=False)

    @property
    def urls(self) -> tuple[str, ...]:
        """Where clients find it."""
        return (f"turn:{HOST}:{self.port}?transport=udp", f"turn:{HOST}:{self.port}?transport=tcp")


def is_installed() -> bool:
    """Tell whether there is a `turnserver` program."""
    return find_program() is not None


@asynccontextmanager
async def coturn_server(
    folder: Path, *, user_quota: int = 10_000, other_secrets: Sequence[str] = ()
) -> AsyncIterator[CoturnServer]:
    """Run coturn with a fresh secret beside others; what the block raises comes out as it is."""
    program = find_program()
    assert program is not None, "no turnserver here: apt-get install coturn"
    entropy = SystemEntropy()
    plan = a_plan(folder, user_quota=user_quota)
    server = CoturnServer(plan.port, entropy.draw(32).hex())
    child = await Child.start(program, plan, [server.secret, *other_secrets])
    failure: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(child.read(lambda said: None))
            try:
                async with within():
                    while not await child.answers(seconds=0.2, entropy=entropy):
                        pass
                yield server
            except Exception as error:  # noqa: BLE001 - raised again below, outside the group that would wrap it
                failure = error
            finally:
                await child.end()
    finally:
        await child.end()
    if failure is not None:
        raise failure

"""A coturn of our own on the loopback interface, for showing and testing that credentials are good.

Not for the public: it listens on 127.0.0.1 only and relays to nowhere else.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bridge.home import write_secret
from client.entropy import SystemEntropy

HOST = "127.0.0.1"
START_SECONDS = 10
STOP_SECONDS = 5
_ANSWER_SECONDS = 0.2
_STUN_MAGIC = 0x2112A442


class CoturnFailed(Exception):
    """coturn did not start; the text is the end of what it said."""


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
    return shutil.which("turnserver") is not None


@asynccontextmanager
async def coturn_server(
    folder: Path, *, user_quota: int = 0, other_secrets: Sequence[str] = ()
) -> AsyncIterator[CoturnServer]:
    """Run coturn with a fresh secret beside others; raise `CoturnFailed` if it does not answer.

    `user_quota` 0 means unlimited.
    """
    server = CoturnServer(_free_port(), SystemEntropy().draw(32).hex())
    # Not on the command line: every user of the machine can read that.
    write_secret(folder / "turnserver.conf", _configuration(server, folder, user_quota, other_secrets))
    process = await asyncio.create_subprocess_exec(
        "turnserver",
        "-c",
        str(folder / "turnserver.conf"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await _wait_until_ready(server.port, process)
        yield server
    finally:
        await _stop(process)


def _configuration(server: CoturnServer, folder: Path, user_quota: int, other_secrets: Sequence[str]) -> str:
    return "\n".join(
        (
            f"listening-ip={HOST}",
            f"relay-ip={HOST}",
            f"listening-port={server.port}",
            "realm=switchboard.test",
            "fingerprint",
            "use-auth-secret",
            *(f"static-auth-secret={secret}" for secret in (server.secret, *other_secrets)),
            f"user-quota={user_quota}",
            "allow-loopback-peers",
            "no-cli",
            "no-tls",
            "no-dtls",
            "no-multicast-peers",
            "no-tcp-relay",
            f"pidfile={folder / 'turn.pid'}",
            f"userdb={folder / 'turndb'}",
            f"log-file={folder / 'turn.log'}",
            "simple-log",
        )
    )


def _free_port() -> int:
    # coturn may take the port above its own as well, so both have to be free.
    while True:
        with socket.socket(type=socket.SOCK_DGRAM) as first, socket.socket(type=socket.SOCK_DGRAM) as second:
            first.bind((HOST, 0))
            port: int = first.getsockname()[1]
            try:
                second.bind((HOST, port + 1))
            except OSError:
                continue
            return port


async def _wait_until_ready(port: int, process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(START_SECONDS):
            while not await _answers(port):
                if process.returncode is not None:
                    raise CoturnFailed(f"turnserver ended with status {process.returncode}")
    except TimeoutError:
        raise CoturnFailed(f"turnserver does not answer on port {port}") from None


async def _answers(port: int) -> bool:
    """Ask for a STUN binding (RFC 8489 §5) and tell whether an answer came soon."""
    loop = asyncio.get_running_loop()
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.setblocking(False)
        probe.connect((HOST, port))
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await loop.sock_sendall(probe, struct.pack(">HHI12s", 1, 0, _STUN_MAGIC, SystemEntropy().draw(12)))
                return bool(await loop.sock_recv(probe, 1500))
        except TimeoutError:
            return False
        except ConnectionRefusedError:
            # Nobody listens yet; the refusal comes at once, so the loop needs a breath.
            await asyncio.sleep(0.01)
            return False


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()

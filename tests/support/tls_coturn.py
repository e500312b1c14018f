"""coturn with TLS on the loopback interface."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bridge.home import write_secret
from tests.support.deadline import within


@asynccontextmanager
async def tls_coturn(folder: Path, *, certificate: Path, key: Path, secret: str) -> AsyncIterator[int]:
    """Run coturn with one secret; yield the port where it speaks TLS."""
    plain, port = _free_ports()
    lines = (
        "listening-ip=127.0.0.1",
        "relay-ip=127.0.0.1",
        f"listening-port={plain}",
        f"tls-listening-port={port}",
        f"cert={certificate}",
        f"pkey={key}",
        "realm=switchboard.test",
        "fingerprint",
        "use-auth-secret",
        f"static-auth-secret={secret}",
        "allow-loopback-peers",
        "no-cli",
        "no-dtls",
        "no-multicast-peers",
        f"pidfile={folder / 'turn.pid'}",
        f"userdb={folder / 'turndb'}",
        f"log-file={folder / 'turn.log'}",
        "simple-log",
    )
    write_secret(folder / "turnserver.conf", "\n".join(lines))
    process = await asyncio.create_subprocess_exec(
        "turnserver",
        "-c",
        str(folder / "turnserver.conf"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with within():
            while not await _listens(port):
                assert process.returncode is None, f"turnserver ended with status {process.returncode}"
        yield port
    finally:
        process.kill()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        # The refusal comes at once, so the loop needs a breath.
        await asyncio.sleep(0.01)
        return False
    writer.close()
    return True


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        for probe in (first, second):
            probe.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]

"""A name server on the loopback interface, over UDP and TCP: says what stands in its zone, or misbehaves as told.

Messages are read and made by `dnslib`; the sockets are asyncio's, so that it answers when a test says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from dnslib import QTYPE, RCODE, RR, DNSRecord

from tests.support.deadline import within

Alter = Callable[[DNSRecord, str], DNSRecord | bytes | None]
"""Gets an answer and "udp" or "tcp", and returns what is sent in its place: nothing at all for None."""

ServeTcp = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


class NameServer:
    """Answers from a zone; counts what it is asked."""

    def __init__(self) -> None:
        self.address: tuple[str, int] = ("", 0)
        self.asked: list[tuple[str, str, str]] = []
        """(name, type, "udp" or "tcp"), in their order."""
        self.gate = asyncio.Event()
        """Nothing is answered while it is clear."""
        self.gate.set()
        self.alter: Alter | None = None
        self._zone: dict[str, list[RR]] = {}
        self._denials: dict[str, tuple[str, list[RR]]] = {}
        self._changed = asyncio.Condition()

    def serve(self, *lines: str) -> None:
        """Replace the whole zone by lines such as `turn.example.org 60 A 9.9.9.9`."""
        self._zone, self._denials = {}, {}
        for line in lines:
            for record in RR.fromZone(line):
                self._zone.setdefault(str(record.rname).rstrip(".").lower(), []).append(record)

    def refuse(self, name: str, code: str, *, record: str | None = None, authority: str = "") -> None:
        """Answer a name with a code such as SERVFAIL, for one type of record or for all."""
        self._denials[f"{name} {record or '*'}"] = (code, list(RR.fromZone(authority)) if authority else [])

    async def wait_asked(self, amount: int) -> None:
        """Wait until so many questions came."""
        async with within(20), self._changed:
            await self._changed.wait_for(lambda: len(self.asked) >= amount)

    async def reply(self, question: bytes, transport: str) -> bytes | None:
        """Return the answer to a message."""
        asked = DNSRecord.parse(question)
        name, kind = str(asked.q.qname).rstrip(".").lower(), QTYPE[asked.q.qtype]
        async with self._changed:
            self.asked.append((name, kind, transport))
            self._changed.notify_all()
        await self.gate.wait()
        answer = self._answer(asked, name, kind)
        altered = answer if self.alter is None else self.alter(answer, transport)
        return altered.pack() if isinstance(altered, DNSRecord) else altered

    def _answer(self, asked: DNSRecord, name: str, kind: str) -> DNSRecord:
        answer: DNSRecord = asked.reply(ra=1, aa=0)
        denial = self._denials.get(f"{name} {kind}") or self._denials.get(f"{name} *")
        if denial:
            answer.header.rcode = getattr(RCODE, denial[0])
            answer.add_auth(*denial[1])
            return answer
        if name not in self._zone:
            answer.header.rcode = RCODE.NXDOMAIN
        while name in self._zone:
            answer.add_answer(*(record for record in self._zone[name] if QTYPE[record.rtype] in (kind, "CNAME")))
            aliases = [record for record in self._zone[name] if QTYPE[record.rtype] == "CNAME"]
            if not aliases or len(answer.rr) > 100:
                break
            name = str(aliases[0].rdata).rstrip(".").lower()
        return answer


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer, tasks: asyncio.TaskGroup) -> None:
        self._server = server
        self._tasks = tasks
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._tasks.create_task(self._answer(data, addr))

    async def _answer(self, data: bytes, addr: Any) -> None:
        answer = await self._server.reply(data, "udp")
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)


@asynccontextmanager
async def a_name_server(host: str = "127.0.0.1", *zone: str) -> AsyncIterator[NameServer]:
    """Run a name server on a free port, the same for UDP and TCP."""
    server = NameServer()
    server.serve(*zone)
    async with asyncio.TaskGroup() as tasks:

        async def serve_tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                size = int.from_bytes(await reader.readexactly(2), "big")
                answer = await server.reply(await reader.readexactly(size), "tcp")
                if answer is not None:
                    writer.write(len(answer).to_bytes(2, "big") + answer)
                    await writer.drain()
            except (OSError, EOFError):
                pass
            finally:
                writer.close()

        listener, datagrams = await _listen(host, serve_tcp, lambda: _Udp(server, tasks))
        server.address = (host, listener.sockets[0].getsockname()[1])
        try:
            yield server
        finally:
            server.gate.set()
            datagrams.close()
            listener.close()
            await listener.wait_closed()


async def _listen(
    host: str, serve_tcp: ServeTcp, protocol: Callable[[], asyncio.DatagramProtocol]
) -> tuple[asyncio.Server, asyncio.DatagramTransport]:
    while True:
        listener = await asyncio.start_server(serve_tcp, host, 0)
        place = host, listener.sockets[0].getsockname()[1]
        try:
            datagrams, _ = await asyncio.get_running_loop().create_datagram_endpoint(protocol, local_addr=place)
        except OSError:
            # Somebody has the port for datagrams.
            listener.close()
            continue
        return listener, datagrams


def truncated_over_udp(answer: DNSRecord, transport: str) -> DNSRecord:
    """Say over UDP that the answer is too long for it."""
    if transport == "udp":
        answer.header.tc = 1
        answer.rr = []
    return answer


def lines(name: str, record: str, addresses: Sequence[str], *, ttl: int = 60) -> list[str]:
    """Return the lines of a zone that give a name these addresses."""
    return [f"{name} {ttl} {record} {address}" for address in addresses]

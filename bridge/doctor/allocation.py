"""What TURN credentials and STUN addresses are worth: real questions to real servers, as a client asks them."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aioice.stun
import aioice.turn

from bridge.doctor.page import explained
from bridge.settings.ice_url import IceUrl

PORTS = {"stun": 3478, "turn": 3478, "turns": 5349, "stuns": 5349}
"""Where servers listen unless the address says otherwise (RFC 8656 §2, RFC 7065)."""

_CLOSE_SECONDS = 1.0


class AllocationFailed(Exception):
    """A server granted nothing; reason and fix are for the operator, and hold no user name or password."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fix = fix


@dataclass(frozen=True, slots=True)
class Allocation:
    """What was granted, and given back at once."""

    relayed: str
    """Address at which peers would have found us."""


class _Named(ssl.SSLContext):
    """Expects the certificate of a name, whatever the address is that was connected to."""

    name = ""

    @classmethod
    def of(cls, name: str) -> _Named:
        """Return a context that trusts what the system trusts."""
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context.load_default_certs()
        context.name = name
        return context

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Say which name is meant, as the library that connects knows the address alone."""
        return super().wrap_bio(incoming, outgoing, server_side, self.name, session)


async def allocate(url: IceUrl, *, host: str, name: str, username: str, password: str, seconds: float) -> Allocation:
    """Have a server make an allocation and end it; raise `AllocationFailed`.

    `host` is where to go to, `name` what a certificate there has to be for.
    """
    holder = _Holder()
    try:
        async with asyncio.timeout(seconds):
            transport: Any
            transport, _ = await aioice.turn.create_turn_endpoint(
                lambda: holder,
                server_addr=(host, url.port or PORTS[url.scheme]),
                username=username,
                password=password,
                ssl=_Named.of(name) if url.scheme == "turns" else None,
                transport=transport_of(url),
            )
    except (TimeoutError, aioice.stun.TransactionTimeout):
        raise AllocationFailed(
            f"no answer within {seconds:g} seconds", "start the server, and open this port in its firewall"
        ) from None
    except aioice.stun.TransactionFailed as failure:
        raise _refusal(failure.response.error_code) from None
    except (OSError, ValueError) as error:
        failed = explained(error, name)
        raise AllocationFailed(failed.reason.replace("speak HTTP", "speak TURN"), failed.fix) from None
    relayed = str(transport.get_extra_info("sockname")[0])
    transport.close()
    with suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await holder.is_over.wait()
    return Allocation(relayed)


def transport_of(url: IceUrl) -> str:
    """Return what an address is reached over; without a word, udp for turn and tcp for turns."""
    return url.transport or ("tcp" if url.scheme == "turns" else "udp")


async def bind(url: IceUrl, *, host: str, seconds: float) -> str:
    """Return the address that a STUN server sees us at; raise `AllocationFailed`."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[aioice.stun.Message] = loop.create_future()
    question = aioice.stun.Message(message_method=aioice.stun.Method.BINDING, message_class=aioice.stun.Class.REQUEST)
    try:
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Asker(question, answer), remote_addr=(host, url.port or PORTS[url.scheme])
        )
    except OSError as error:
        failed = explained(error, url.host)
        raise AllocationFailed(failed.reason, failed.fix) from None
    try:
        async with asyncio.timeout(seconds):
            told = (await answer).attributes.get("XOR-MAPPED-ADDRESS")
    except TimeoutError:
        raise AllocationFailed(
            f"no answer within {seconds:g} seconds", "start the server, and open this port (UDP) in its firewall"
        ) from None
    except OSError as error:
        failed = explained(error, url.host)
        raise AllocationFailed(failed.reason, failed.fix) from None
    finally:
        transport.close()
    if told is None:
        raise AllocationFailed("its answer holds no address", "see that it is a STUN server that listens there")
    return str(told[0])


def _refusal(code: int | None) -> AllocationFailed:
    match code:
        case 401:
            reason, fix = (
                "it refuses our credentials (401)",
                "give the server and the bridge the same secret (static-auth-secret), and set both clocks",
            )
        case 403:
            reason, fix = "it forbids that (403)", "look at the allow and deny lists of the server"
        case 486:
            reason, fix = "it has given all that one user may have (486)", "raise user-quota"
        case 508:
            reason, fix = "it has no port left (508)", "widen min-port to max-port, or raise total-quota"
        case _:
            reason, fix = f"it refuses ({code or 'without a code'})", "look at the log of the server"
    return AllocationFailed(reason, fix)


class _Holder(asyncio.DatagramProtocol):
    """Has an allocation and wants nothing of it."""

    def __init__(self) -> None:
        self.is_over = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_over.set()


class _Asker(asyncio.DatagramProtocol):
    """Asks once, and once more for a datagram that got lost."""

    def __init__(self, question: aioice.stun.Message, answer: asyncio.Future[aioice.stun.Message]) -> None:
        self._question = question
        self._answer = answer

    def connection_made(self, transport: Any) -> None:
        transport.sendto(bytes(self._question))
        asyncio.get_running_loop().call_later(0.5, self._again, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        with suppress(ValueError):
            message = aioice.stun.parse_message(data)
            if message.transaction_id == self._question.transaction_id and not self._answer.done():
                self._answer.set_result(message)

    def error_received(self, exc: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(exc)

    def _again(self, transport: asyncio.DatagramTransport) -> None:
        if not self._answer.done() and not transport.is_closing():
            transport.sendto(bytes(self._question))

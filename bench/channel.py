"""A websocket of the load generator: frames made beforehand, answers read as cheaply as Python allows.

It takes as little as it can of the machine that it shares with what it measures: no library, no task, no timer, and
texts stay bytes until the clock has stopped. Masking keys are zero, which servers unmask like any other.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Self
from urllib.parse import urlsplit

from client.clock import SystemClock
from client.entropy import SystemEntropy
from nips.keys import SecretKey
from nips.nip42 import make_auth

PATIENCE_SECONDS = 20.0

_CLOCK, _ENTROPY = SystemClock(), SystemEntropy()
_FINAL_TEXT, _FINAL_CLOSE, _FINAL_PING, _FINAL_PONG = 0x81, 0x88, 0x89, 0x8A
_NO_MASK = bytes(4)


class Lost(Exception):
    """The server closed the connection, or said nothing for too long."""


def frame(text: str | bytes, opcode: int = _FINAL_TEXT) -> bytes:
    """Return a whole masked frame."""
    payload = text.encode() if isinstance(text, str) else text
    size = len(payload)
    if size < 126:
        head = bytes([opcode, 0x80 | size])
    elif size < 65_536:
        head = struct.pack("!BBH", opcode, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", opcode, 0x80 | 127, size)
    return head + _NO_MASK + payload


class Channel:
    """One connection, from entering to leaving."""

    def __init__(self, url: str, *, sender: str = "") -> None:
        """Plan a connection to a relay; `sender` is the address for which it says to come, as a proxy does."""
        self.url = url
        self._forwarded = f"X-Forwarded-For: {sender}\r\n" if sender else ""
        self._unread = b""
        self._unsent = bytearray()
        self._payloads: deque[bytes] = deque()
        """Read while something else was waited for."""

    def __enter__(self) -> Self:
        address = urlsplit(self.url)
        assert address.hostname is not None
        self._socket = socket.create_connection((address.hostname, address.port or 80), PATIENCE_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(
            f"GET / HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"{self._forwarded}"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._some()
        status, _, self._unread = head.partition(b"\r\n\r\n")
        if b" 101 " not in status.partition(b"\r\n")[0]:
            raise Lost(status.partition(b"\r\n")[0].decode("ascii", "replace"))
        self._socket.setblocking(False)
        self._payloads.extend(self._split())
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def fileno(self) -> int:
        """Return what a selector wants."""
        return self._socket.fileno()

    def send(self, whole_frame: bytes) -> None:
        """Send a frame, or as much of it as the other side takes now."""
        self._unsent += whole_frame
        self.flush()

    def flush(self) -> None:
        """Send what could not be sent before."""
        try:
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]
        except BlockingIOError:
            return

    @property
    def has_unsent(self) -> bool:
        """Tell whether something waits to be sent."""
        return bool(self._unsent)

    def receive(self) -> Sequence[bytes]:
        """Return the texts that have arrived, without waiting."""
        if self._payloads:
            texts = list(self._payloads)
            self._payloads.clear()
            return texts
        try:
            self._unread += self._some()
        except BlockingIOError:
            return ()
        return self._split()

    def next_message(self) -> list[Any]:
        """Wait for one message and return it read."""
        until = time.perf_counter() + PATIENCE_SECONDS
        while not self._payloads:
            if time.perf_counter() > until:
                raise Lost(f"{self.url} said nothing for {PATIENCE_SECONDS:g} s")
            self.flush()
            arrived = self.receive()
            self._payloads.extend(arrived)
            if not arrived:
                time.sleep(0.0005)
        message = json.loads(self._payloads.popleft())
        assert isinstance(message, list)
        return message

    def say(self, *message: object) -> None:
        """Send one message."""
        self.send(frame(json.dumps(message, separators=(",", ":"))))

    def wait_for(self, verb: str) -> list[Any]:
        """Pass over messages until one begins so, and return it."""
        while (message := self.next_message())[0] != verb:
            pass
        return message

    def prove(self, keys: Sequence[SecretKey]) -> None:
        """Answer the server's challenge with each key."""
        challenge = self.wait_for("AUTH")[1]
        for key in keys:
            now = _CLOCK.now()
            auth = make_auth(key, relay_url=self.url, challenge=challenge, created_at=now, aux=_ENTROPY.draw(32))
            self.say("AUTH", auth.to_dict())
            if (answer := self.wait_for("OK"))[2] is not True:
                raise Lost(str(answer))

    def _some(self) -> bytes:
        received = self._socket.recv(262_144)
        if not received:
            raise Lost(f"{self.url} closed the connection")
        return received

    def _split(self) -> Sequence[bytes]:
        texts, start, unread = [], 0, self._unread
        while len(unread) - start >= 2:
            kind, size = unread[start], unread[start + 1]
            begin = start + 2
            if size == 126:
                begin, size = begin + 2, int.from_bytes(unread[begin : begin + 2], "big")
            elif size == 127:
                begin, size = begin + 8, int.from_bytes(unread[begin : begin + 8], "big")
            if len(unread) < begin + size:
                break
            start = begin + size
            if kind == _FINAL_TEXT:
                texts.append(unread[begin:start])
            elif kind == _FINAL_PING:
                self.send(frame(unread[begin:start], _FINAL_PONG))
            elif kind == _FINAL_CLOSE:
                raise Lost(f"{self.url} closed the connection: {unread[begin + 2 : start].decode('utf-8', 'replace')}")
        self._unread = unread[start:]
        return texts

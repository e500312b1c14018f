"""Frames on the pipes between the bridge and its workers: 4 bytes of length, big-endian, then so many bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterable

_LENGTH = struct.Struct(">I")


def framed(bodies: Iterable[bytes]) -> bytes:
    """Return frames to be written in one go."""
    return b"".join([_LENGTH.pack(len(body)) + body for body in bodies])


class FrameReader:
    """Puts frames together from what a pipe gives.

    It holds no more than one frame and one reading. Both ends are ours, so a length is believed.
    """

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take what was read and return the frames that are complete now."""
        self._data += data
        bodies, start = [], 0
        while (body := start + _LENGTH.size) <= len(self._data):
            (size,) = _LENGTH.unpack_from(self._data, start)
            if body + size > len(self._data):
                break
            start = body + size
            bodies.append(bytes(self._data[body:start]))
        del self._data[:start]
        return bodies

"""What goes over the admin socket: one JSON object a line, a command one way and its reply the other.

{"command": "accounts.show", "arguments": {"account": "npub1…"}}
{"result": {…}}    or    {"problems": ["what is wrong and what to do", …]}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from nips.errors import InvalidJson
from nips.strict_json import dump, parse

MAX_REQUEST_BYTES: Final = 65_536
MAX_REPLY_BYTES: Final = 4_194_304

Json = Mapping[str, Any]


class BadMessage(Exception):
    """A line is none of ours; the text says why."""


class CommandRefused(Exception):
    """A command was not carried out; each problem names what to do."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(problems)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(self.problems)


@dataclass(frozen=True, slots=True)
class Request:
    """A command with its arguments."""

    command: str
    arguments: Json


def write_request(request: Request) -> bytes:
    """Return a request as a line."""
    return _line({"command": request.command, "arguments": request.arguments})


def read_request(line: bytes) -> Request:
    """Return the request in a line, or raise `BadMessage`."""
    match _parse(line, MAX_REQUEST_BYTES):
        case {"command": str(command), "arguments": dict(arguments)}:
            return Request(command, arguments)
    raise BadMessage('use {"command": "…", "arguments": {…}}')


def write_result(result: Json) -> bytes:
    """Return the reply of a command that was carried out; `CommandRefused` if it is too long for a line."""
    line = _line({"result": result})
    if len(line) > MAX_REPLY_BYTES:
        raise CommandRefused([f"the answer is longer than {MAX_REPLY_BYTES} bytes; ask for less at once"])
    return line


def write_problems(problems: Sequence[str]) -> bytes:
    """Return the reply of a command that was not carried out."""
    return _line({"problems": problems})


def read_reply(line: bytes) -> Json:
    """Return the result in a line; raise `CommandRefused` when it holds problems, `BadMessage` when neither."""
    match _parse(line, MAX_REPLY_BYTES):
        case {"result": dict(result)}:
            return result
        case {"problems": list(problems)}:
            raise CommandRefused([str(problem) for problem in problems])
    raise BadMessage("neither a result nor problems")


def _line(value: Json) -> bytes:
    return dump(value).encode() + b"\n"


def _parse(line: bytes, max_bytes: int) -> object:
    try:
        return parse(line.decode(), max_bytes=max_bytes)
    except (InvalidJson, UnicodeDecodeError) as error:
        raise BadMessage(f"no JSON of ours: {error}") from None

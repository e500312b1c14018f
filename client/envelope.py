"""The content of requests to a bridge and of its responses (docs/protocol.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from client.errors import InvalidResponse, Refusal
from nips import kinds
from nips.errors import InvalidJson
from nips.nip59 import MAX_PAYLOAD
from nips.strict_json import dump, parse

VERSION = "1.0.0"
"""Of the contract, as we write it; we read any 1.x.y."""

_VERSION = re.compile(r"1\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})", re.ASCII)

Value = TypeVar("Value")


class Reply(StrEnum):
    """The kind of wrap that a response comes in."""

    SAME = "same"
    """The kind that the request came in."""
    STORED = "stored"
    LIVE = "live"


def reply_kind(asked_in: int, wished: Reply) -> int:
    """Return the wrap kind of an answer."""
    if wished is Reply.SAME:
        return asked_in
    return kinds.GIFT_WRAP if wished is Reply.STORED else kinds.EPHEMERAL_GIFT_WRAP


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response of a bridge: a result or a refusal."""

    request_id: str | None
    """None: the bridge could not read it."""
    server_time: int
    result: dict[str, Any] | None
    refusal: Refusal | None


def write_request(
    request_id: str,
    method: str,
    params: Mapping[str, Any],
    *,
    expires_at: int | None = None,
    reply: Reply = Reply.SAME,
    invite: str | None = None,
) -> str:
    """Return the content of a request; what is left at its default is left out."""
    content: dict[str, Any] = {"_v": VERSION, "id": request_id, "method": method, "params": dict(params)}
    if expires_at is not None:
        content["expires_at"] = expires_at
    if reply is not Reply.SAME:
        content["reply"] = reply.value
    if invite is not None:
        content["invite"] = invite
    return dump(content)


def parse_response(content: str) -> Response:
    """Read the content of a response; raise `InvalidResponse` naming what is wrong. Unknown fields are ignored."""
    try:
        value = parse(content, max_bytes=MAX_PAYLOAD)
    except InvalidJson as error:
        raise InvalidResponse(f"response: {error}") from None
    if not isinstance(value, dict):
        raise InvalidResponse("response: not an object")
    if not _VERSION.fullmatch(take(value, "_v", str)):
        raise InvalidResponse("_v: not a version 1")
    if ("result" in value) == ("error" in value):
        raise InvalidResponse("response: not exactly one of result and error")
    return Response(
        request_id=take_or_none(value, "id", str),
        server_time=take(value, "server_time", int),
        result=take(value, "result", dict) if "result" in value else None,
        refusal=_parse_refusal(take(value, "error", dict)) if "error" in value else None,
    )


def _parse_refusal(value: dict[str, Any]) -> Refusal:
    return Refusal(
        code=take(value, "code", str),
        status=take(value, "status", int),
        message=take(value, "message", str),
        retry=take(value, "retry", bool),
        retry_after=take_or_none(value, "retry_after", int),
        field=take_or_none(value, "field", str),
        pow_bits=take_or_none(value, "pow_bits", int),
        data=take_or_none(value, "data", dict),
    )


def take(value: Mapping[str, Any], name: str, form: type[Value]) -> Value:
    """Return a field of exactly this type; an integer is never negative. Raise `InvalidResponse` naming the field."""
    found = value.get(name)
    # `type`, since a bool is an int too.
    if type(found) is not form or (isinstance(found, int) and found < 0):
        raise InvalidResponse(f"{name}: missing, or of a wrong form")
    return found


def take_or_none(value: Mapping[str, Any], name: str, form: type[Value]) -> Value | None:
    """Return a field like `take`, or None when it is missing or null."""
    return None if value.get(name) is None else take(value, name, form)

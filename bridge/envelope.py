"""What stands in a request: reading the content of a kind 24390 rumor (protocol.md §1, steps 7 and 8). Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import rfc8785

from bridge.errors import Dropped, Expired, MalformedRequest
from client.envelope import Reply
from nips import kinds
from nips.errors import InvalidJson
from nips.keys import PublicKey
from nips.nip59 import Rumor
from nips.strict_json import dump, parse
from protocol.validation import Invalid, usable_request_id, validate_envelope


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old and how far ahead a request may be, in seconds by the rumor's clock."""

    max_age_seconds: int
    max_future_seconds: int


@dataclass(frozen=True, slots=True)
class Request:
    """A request whose envelope is right; its params are not looked at yet."""

    id: str
    method: str
    params: dict[str, Any]
    reply: Reply
    digest: bytes
    """SHA-256 of the RFC 8785 form of method and params: equal for equal requests, however they were written."""
    invite: str | None = field(default=None, repr=False)
    """The code that lets its author in, as far as one is needed."""


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a request as far as it could be read: enough to address an answer."""

    value: Any
    request_id: str | None
    reply: Reply


def check_addressee(rumor: Rumor, bridge: PublicKey) -> None:
    """Drop a rumor that is no request, or that names another recipient than us."""
    if rumor.kind != kinds.BRIDGE_REQUEST:
        raise Dropped("not a request")
    if any(tag[0] == "p" and tag[1:2] != (bridge,) for tag in rumor.tags):
        raise Dropped("rumor is for somebody else")


def read_content(rumor: Rumor, *, max_bytes: int) -> Content:
    """Read what can be read; content that is no JSON object has neither id nor a wish for the reply."""
    try:
        value = parse(rumor.content, max_bytes=max_bytes)
    except InvalidJson:
        return Content(None, None, Reply.SAME)
    if not isinstance(value, dict):
        return Content(None, None, Reply.SAME)
    reply = value.get("reply")
    wished = Reply(reply) if isinstance(reply, str) and reply in set(Reply) else Reply.SAME
    return Content(value, usable_request_id(value), wished)


def check_freshness(rumor: Rumor, content: Content, freshness: Freshness, now: int) -> None:
    """Refuse what is too old, past its own deadline, or too far ahead: the rumor's time is the only true clock."""
    if rumor.created_at < now - freshness.max_age_seconds:
        raise Expired("rumor is too old")
    expires_at = content.value.get("expires_at") if isinstance(content.value, dict) else None
    if type(expires_at) is int and expires_at <= now:
        raise Expired("past expires_at")
    if rumor.created_at > now + freshness.max_future_seconds:
        raise MalformedRequest("created_at")


def read_request(content: Content) -> Request:
    """Return the request in a content, or refuse it naming the field."""
    if not isinstance(content.value, dict):
        raise MalformedRequest("")
    try:
        validate_envelope(content.value)
    except Invalid as invalid:
        raise MalformedRequest(invalid.field) from None
    value = content.value
    digest = request_digest(value["method"], value["params"])
    return Request(value["id"], value["method"], value["params"], content.reply, digest, value.get("invite"))


def request_digest(method: str, params: dict[str, Any]) -> bytes:
    """Return what two requests have in common exactly when they ask the same."""
    asked: dict[str, Any] = {"method": method, "params": params}
    # Without params both writers write the same, and ours is quicker.
    form = rfc8785.dumps(asked) if params else dump(asked).encode()
    return hashlib.sha256(form).digest()

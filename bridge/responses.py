"""What stands in an answer: the content of a kind 24391 rumor (protocol.md §1). Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bridge.errors import InvalidRequest, PowRequired, RateLimited, Refusal, code_of
from nips import kinds
from nips.keys import PublicKey
from nips.nip59 import Rumor, make_rumor
from nips.strict_json import dump_exact
from protocol.catalogue import Catalogue, Method


def result_body(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a response that carries a result."""
    return {"result": dict(result)}


def error_body(refusal: Refusal, catalogue: Catalogue, method: Method | None) -> dict[str, Any]:
    """Return the part of a response that carries a refusal: fixed texts and nothing internal."""
    entry = catalogue.refusal(code_of(refusal, method))
    error: dict[str, Any] = {
        "code": entry.code,
        "status": entry.status,
        "message": entry.message,
        "retry": entry.retry,
    }
    if isinstance(refusal, RateLimited):
        error["retry_after"] = -(-refusal.wait_ms // 1000)
    if isinstance(refusal, InvalidRequest) and refusal.field is not None:
        error["field"] = refusal.field
    if isinstance(refusal, PowRequired):
        error["pow_bits"] = refusal.bits
    return {"error": error}


def make_response(
    bridge: PublicKey,
    asker: PublicKey,
    *,
    version: str,
    request_rumor: str,
    request_id: str | None,
    body: Mapping[str, Any],
    now: int,
) -> Rumor:
    """Return the response rumor to one asking key."""
    content = dump_exact({"_v": version, "id": request_id, "server_time": now, **body}).decode()
    tags = [("p", asker), ("e", request_rumor)]
    return make_rumor(bridge, created_at=now, kind=kinds.BRIDGE_RESPONSE, tags=tags, content=content)


def read_response(text: str) -> Rumor:
    """Return a response rumor that we stored ourselves."""
    value = json.loads(text)
    tags = tuple(tuple(tag) for tag in value["tags"])
    return Rumor(value["id"], value["pubkey"], value["created_at"], value["kind"], tags, value["content"])


def body_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return result or error out of a response's content."""
    return {name: content[name] for name in ("result", "error") if name in content}

"""What a client of others must find in an answer, worked out here from the contract alone."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

STORED, LIVE = 1059, 21059
RESPONSE = 24391

STAMPED_BACK_SECONDS = 30
"""How far back the wrap of an answer to somebody who is there may be stamped."""
SLACK_SECONDS = 30


def a_request(method: str, **extra: Any) -> dict[str, Any]:
    """Return a request, and what a script is told about it."""
    return {"id": f"about {method}", "method": method, "params": {}, **extra}


def response(answer: Mapping[str, Any], *, method: str, asker: str, bridge: str, kind: int) -> Mapping[str, Any]:
    """Return the content of an answer in which everything around the result or error is as it must be."""
    rumor = answer["rumor"]
    now = time.time()
    assert answer["kind"] == kind
    assert now - STAMPED_BACK_SECONDS - SLACK_SECONDS <= answer["created_at"] <= now
    assert rumor["kind"] == RESPONSE
    assert rumor["pubkey"] == bridge
    assert rumor["tags"] == [["p", asker], ["e", answer["asked"]]]
    assert rumor["id"] == _identity(rumor)
    assert "sig" not in rumor
    content: dict[str, Any] = json.loads(rumor["content"])
    assert content.pop("_v") == "1.0.0"
    assert content.pop("id") == f"about {method}"
    assert now - SLACK_SECONDS <= content.pop("server_time") <= now
    assert content.keys() in ({"result"}, {"error"})
    return content


def result_of(told: Mapping[str, Any], *, method: str, kind: int) -> Mapping[str, Any]:
    """Return the result in a script's only answer."""
    (answer,) = told["answers"]
    content = response(answer, method=method, asker=told["pubkey"], bridge=told["bridge"], kind=kind)
    result: Mapping[str, Any] = content["result"]
    return result


def ice_server(credentials: Mapping[str, Any], urls: Sequence[str]) -> Mapping[str, Any]:
    """Return what RTCPeerConnection wants to be told."""
    return {
        "urls": list(urls),
        "username": credentials["turn_username"],
        "credential": credentials["turn_password"],
    }


def _identity(event: Mapping[str, Any]) -> str:
    fields = [0, *(event[name] for name in ("pubkey", "created_at", "kind", "tags", "content"))]
    return hashlib.sha256(json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()

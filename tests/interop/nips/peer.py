"""Talking to nostr-tools: one JSON line there, one back."""

from __future__ import annotations

import json
import subprocess
from typing import Any


class PeerRefused(Exception):
    """The peer threw instead of answering."""


class NostrTools:
    """A running `nostr_tools_peer.mjs`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._to_peer, self._from_peer = process, process.stdin, process.stdout

    def ask(self, action: str, **arguments: Any) -> Any:
        """Return what an action gives; raise `PeerRefused` where it throws."""
        self._to_peer.write(json.dumps({"do": action, **arguments}) + "\n")
        self._to_peer.flush()
        line = self._from_peer.readline()
        if not line:
            raise RuntimeError(f"nostr-tools ended with code {self._process.wait(timeout=10)} at {action}")
        answer = json.loads(line)
        if "failed" in answer:
            raise PeerRefused(answer["failed"])
        return answer.get("done")

    def close(self) -> None:
        """Let the peer end by itself: its input ends."""
        self._to_peer.close()
        self._process.wait(timeout=10)

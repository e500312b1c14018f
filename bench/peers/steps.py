"""Another library's steps: a process that opens and makes wraps when told to, and says how fast it was.

One JSON line goes in, {"wraps": [text], "recipients": [hex], "secret": hex, "rumor": text}; then for each line
{"do": "unwrap" | "wrap", "seconds": s} one comes back, {"rate": per second, "last": text of what was opened or made}.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.rounds import in_turn
from nips.keys import PublicKey, SecretKey
from nips.nip59 import Rumor

HERE = Path(__file__).resolve().parent
NODE_MODULES = HERE.parent.parent / "tests" / "interop" / "node_modules"


@dataclass(frozen=True, slots=True)
class Material:
    """What is opened and for whom is wrapped."""

    wraps: Sequence[str]
    """For `secret`, each by another author."""
    secret: SecretKey
    rumor: Rumor
    """By `secret`."""
    recipients: Sequence[PublicKey]


class PeerSteps:
    """One such process, from entering to leaving."""

    def __init__(self, command: Sequence[str], material: Material) -> None:
        """Plan to run a command."""
        self._command = command
        self._material = material
        self.last = ""
        """What came of the last step."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            cwd=HERE.parent.parent,
            # Ctrl-C is for us; what we started ends when its stdin does.
            start_new_session=True,
        )
        material = self._material
        self._say(
            {
                "wraps": material.wraps,
                "secret": material.secret.reveal().hex(),
                "rumor": material.rumor.to_json(),
                "recipients": material.recipients,
            }
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()

    def rate(self, step: str, seconds: float) -> float:
        """Return how often a second it does one step."""
        self._say({"do": step, "seconds": seconds})
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._command[-1]} ended at {step!r}")
        answer = json.loads(line)
        self.last = answer["last"]
        return float(answer["rate"])

    def both(self, seconds: float) -> float:
        """Return how often a second it opens one wrap and makes another."""
        return in_turn(self.rate("unwrap", seconds / 2), self.rate("wrap", seconds / 2))

    def _say(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()


def nostr_sdk(material: Material) -> PeerSteps:
    """Return nostr-sdk: Rust, through its Python binding."""
    return PeerSteps([sys.executable, "-m", "bench.peers.nostr_sdk_steps"], material)


def nostr_tools(material: Material) -> PeerSteps:
    """Return nostr-tools under Node."""
    node = Path(sys.executable).with_name("node")
    command = str(node) if node.exists() else "node"
    return PeerSteps([command, str(HERE / "nostr_tools_steps.mjs")], material)

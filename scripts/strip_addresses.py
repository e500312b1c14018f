"""Strip funding and download addresses from an npm lock file, which then names packages and hashes only."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def strip_addresses(lock: Path) -> None:
    """Rewrite `lock` in npm's own layout, without the fields that hold addresses."""
    content = json.loads(lock.read_text(encoding="utf-8"))
    for package in content["packages"].values():
        for field in ("funding", "resolved"):
            package.pop(field, None)
    lock.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    strip_addresses(Path(sys.argv[1]))

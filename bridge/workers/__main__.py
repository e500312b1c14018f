"""What a worker's process runs: `python -m bridge.workers`, started by the pool and by nobody else."""

from __future__ import annotations

from bridge.workers.worker import main

if __name__ == "__main__":
    main()

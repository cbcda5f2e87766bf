"""Keeps the object store of RAY_ADDRESS overfull: `python -m tests.cluster.full_store MEGABYTES`.

Until its input is closed, it puts objects of 4 MB and holds the last so many megabytes of them, so
Ray has to write objects to the disk all the time. Then it prints how many megabytes Ray wrote.
"""

from __future__ import annotations

import re
import select
import sys
from collections import deque

import cluster.settings  # noqa: F401 - before Ray

# isort: split
import numpy as np
import ray
from ray._private.internal_api import memory_summary

PIECE = 4
"""Megabytes of an object."""


def main(megabytes: int) -> None:
    """Fill, wait, fill again; the first line says that the store is overfull."""
    ray.init(log_to_driver=False)
    held: deque[ray.ObjectRef] = deque(maxlen=megabytes // PIECE)
    told = False
    while not select.select([sys.stdin], [], [], 0.1)[0]:
        held.append(ray.put(np.full(PIECE << 20, len(held), np.uint8)))
        if len(held) == held.maxlen and not told:
            print("full", flush=True)
            told = True
    print(f"wrote {spilled(memory_summary(stats_only=True))}", flush=True)


def spilled(summary: str) -> int:
    """Megabytes that Ray says it wrote to the disk; 0 if it says nothing."""
    found = re.search(r"Spilled (\d+) MiB", summary)
    return int(found[1]) if found else 0


if __name__ == "__main__":
    main(int(sys.argv[1]))

"""How torch computes on a CPU."""

from __future__ import annotations

import torch


def set_up_cpu(num_threads: int) -> None:
    """Compute with so many threads, and take numbers below 1.2e-38 for zero.

    Attention over many cells leaves probabilities that small, and with each of them a CPU computes
    in microcode: a joint step of a trained `unified_plus` takes 0.62 of the time without
    (`tests/benchmarks/denormals.py`, 384 pixels, stem frozen, three rounds). Threads have the
    setting of the one that starts them, so this comes before a process's first parallel
    computation. A GPU is not concerned.

    Args:
        num_threads: of one operation; the last digits of results depend on it.
    """
    torch.set_flush_denormal(True)
    torch.set_num_threads(num_threads)

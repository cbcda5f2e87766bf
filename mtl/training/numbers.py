"""Which samples a rank sees in a step.

Step `s` of a run trains samples `s * batch_size ... (s + 1) * batch_size - 1`, whatever the number
of workers and micro-batches: those only cut the same batch into shares.
"""

from __future__ import annotations

import numpy as np


def training_numbers(
    first_step: int, last_step: int, batch_size: int, accumulate: int, rank: int, world: int
) -> np.ndarray:
    """Sample numbers of one rank, (steps * accumulate, micro_batch) int64, in order of training."""
    numbers = np.arange(first_step * batch_size, last_step * batch_size, dtype=np.int64)
    shares = numbers.reshape(last_step - first_step, accumulate, world, -1)
    return shares[:, :, rank].reshape((last_step - first_step) * accumulate, -1)


def validation_numbers(
    num_samples: int, batch_size: int, rank: int, world: int
) -> list[np.ndarray]:
    """Sample numbers of one rank in batches of at most `batch_size`; each number on one rank."""
    mine = np.arange(rank, num_samples, world, dtype=np.int64)
    return [mine[start : start + batch_size] for start in range(0, len(mine), batch_size)]

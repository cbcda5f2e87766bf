"""The few training images of a task that stand for all of them later."""

from __future__ import annotations

import numpy as np

from mtl.config.unified import UNIFIED_TASKS, UnifiedTaskName

_MEMORY = 4
"""Stream of random numbers, beside those of the sampler."""


def remembered_rows(seed: int, task: UnifiedTaskName, length: int, count: int) -> tuple[int, ...]:
    """Rows of a task's images that are kept, in rising order.

    Each image is as likely as any other, and fewer are always some of more.

    Args:
        seed: of the run.
        task: whose images they are.
        length: number of its training images.
        count: how many are kept; at most all of them are.
    """
    rng = np.random.default_rng([seed, UNIFIED_TASKS.index(task), _MEMORY])
    return tuple(sorted(rng.permutation(length)[:count].tolist()))

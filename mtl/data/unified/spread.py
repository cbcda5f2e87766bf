"""The few images of a long set that a short validation looks at."""

from __future__ import annotations

import numpy as np

_SEED = 0
"""Not that of the run: runs that are compared are validated on the same images."""


def spread_rows(length: int, count: int) -> np.ndarray:
    """Rows of images all over a set, in rising order; the same ones for the same two numbers.

    One out of each of `count` equal stretches: classes that follow each other are seen as often as
    they are long. It is drawn, so that a set whose images take turns is not seen at one turn only.

    Args:
        length: images of the set.
        count: how many are wanted; at most all of them are taken.

    Returns:
        (min(length, count),) int64.
    """
    count = min(length, count)
    ends = np.arange(count + 1, dtype=np.int64) * length // count
    return np.random.default_rng(_SEED).integers(ends[:-1], ends[1:])

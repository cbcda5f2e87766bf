"""Percentile bootstrap over sequences (Efron & Tibshirani, 1993, chapter 13).

Frames of one video are almost the same picture, so whole sequences are drawn again, never frames.
A number is a ratio of sums, sum of a score over all frames / number of frames, as AO is: a long
sequence weighs more, in the estimate and in every resample.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mtl.errors import ShapeError

RESAMPLES = 2000
LEVEL = 0.95
_CHUNK = 250


class Interval(NamedTuple):
    """A confidence interval of a number."""

    low: float
    high: float


def redraws(num: int, seed: int, resamples: int = RESAMPLES) -> Iterator[np.ndarray]:
    """How often each of `num` units is drawn in each resample, with replacement.

    Yields:
        (R, num) int64 whose rows sum to `num`; R adds up to `resamples`.
    """
    rng = np.random.default_rng(seed)
    share = np.full(num, 1.0 / num)
    for start in range(0, resamples, _CHUNK):
        yield rng.multinomial(num, share, size=min(_CHUNK, resamples - start))


def ratio_intervals(
    sums: np.ndarray,
    counts: np.ndarray,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> list[Interval] | None:
    """Confidence intervals of sum(sums) / sum(counts), S sequences drawn anew with replacement.

    All columns are resampled together, so the same seed draws the same sequences for each.

    Args:
        sums: (S, K) sum of each of K scores over the frames of a sequence.
        counts: (S,) frames of a sequence, above 0.
        seed: equal seeds give equal intervals.
        resamples: how many times S sequences are drawn.
        level: share of resamples inside the interval.

    Returns:
        K intervals; none for a single sequence, which says nothing about others.

    Raises:
        ShapeError: if sums and counts do not fit, or a count is not above 0.
    """
    sums, counts = np.asarray(sums, np.float64), np.asarray(counts, np.float64)
    if sums.ndim != 2 or counts.shape != sums.shape[:1] or not (counts > 0).all():
        raise ShapeError(
            "sums and counts to resample must be (S, K) and (S,) with counts above 0, "
            f"got {sums.shape} and {counts.shape}."
        )
    if len(counts) < 2:
        return None
    ratios = [
        (drawn @ sums) / (drawn @ counts)[:, None]
        for drawn in redraws(len(counts), seed, resamples)
    ]
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(np.concatenate(ratios), [tail, 1.0 - tail], axis=0)
    return [Interval(float(a), float(b)) for a, b in zip(low, high, strict=True)]

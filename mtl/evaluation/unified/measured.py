"""A number, what it is under resampling, and how two of them compare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from mtl.evaluation.bootstrap import LEVEL, Interval

SEEDS = {"det": 0, "seg": 1, "cls": 2}
"""Seeds of the resampling: models judged on the same images are resampled alike, tasks are not."""


class Measured(NamedTuple):
    """A metric of a set of images, higher is better."""

    value: float
    """NaN where there was nothing to measure."""
    resampled: np.ndarray | None = None
    """(R,) the metric of R sets drawn anew from the images; none where that was not asked for."""

    def interval(self, level: float = LEVEL) -> Interval | None:
        """Percentile bootstrap interval over images; none for a single image or no resampling."""
        if self.resampled is None:
            return None
        known = self.resampled[~np.isnan(self.resampled)]
        if not len(known):
            return None
        tail = (1.0 - level) / 2.0
        low, high = np.quantile(known, [tail, 1.0 - tail])
        return Interval(float(low), float(high))


def difference(first: Measured, other: Measured) -> Measured:
    """What `other` has more than `first`; the interval is paired as in `relative_drop`."""
    if first.resampled is None or other.resampled is None:
        return Measured(other.value - first.value)
    return Measured(other.value - first.value, other.resampled - first.resampled)


def relative_drop(joint: Measured, teacher: Measured) -> Measured:
    """What a task loses beside its single-task teacher: (teacher - joint) / teacher.

    The interval is paired: both must have been resampled from the same images with the same seed.
    Undefined (NaN) where the teacher has 0.
    """
    drop = float(_drop(np.float64(joint.value), np.float64(teacher.value)))
    if joint.resampled is None or teacher.resampled is None:
        return Measured(drop)
    return Measured(drop, _drop(joint.resampled, teacher.resampled))


def delta_m(pairs: Mapping[str, tuple[Measured, Measured]]) -> Measured:
    """Average relative change of all tasks (Vandenhende et al., TPAMI 2022, section 4.1).

    delta_m = mean over tasks of (joint - teacher) / teacher; below 0 the joint model is worse.

    Args:
        pairs: task -> joint model and teacher, one metric a task, higher is better.
    """
    drops = [relative_drop(joint, teacher) for joint, teacher in pairs.values()]
    if not drops:
        return Measured(float("nan"))
    resampled = [drop.resampled for drop in drops if drop.resampled is not None]
    return Measured(
        -float(np.mean([drop.value for drop in drops])),
        -np.mean(resampled, axis=0) if len(resampled) == len(drops) else None,
    )


def _drop(joint: np.ndarray | np.float64, teacher: np.ndarray | np.float64) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(teacher == 0, np.nan, (teacher - joint) / teacher)

"""Accuracy of the condition head from a confusion matrix: rows true, columns predicted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mtl.conditions import CONDITIONS
from mtl.errors import ShapeError


def class_accuracy(confusion: np.ndarray) -> np.ndarray:
    """Share of each true class that was named rightly (its recall).

    Args:
        confusion: (C, C) counts, [true, predicted].

    Returns:
        (C,) float64; NaN for a class without a sample.

    Raises:
        ShapeError: if the matrix is not square, or holds anything but counts of at least 0.
    """
    counts = _checked(confusion)
    samples = counts.sum(axis=1)
    right = np.diagonal(counts).astype(np.float64)
    accuracy = np.full(len(counts), np.nan)
    np.divide(right, samples, out=accuracy, where=samples > 0)
    return accuracy


def condition_metrics(
    confusion: np.ndarray, class_names: Sequence[str] = CONDITIONS
) -> dict[str, float]:
    """Metrics of the condition head by name.

    `accuracy` is the share of samples named rightly, `balanced_accuracy` and `macro_f1` the means
    of accuracy and F1 over the classes that occur, `accuracy/<class>` the accuracy of one class.

    Args:
        confusion: (C, C) counts, [true, predicted].
        class_names: C names in the matrix's order.

    Returns:
        What was measured: a class without a sample is left out; without any sample, all is.

    Raises:
        ShapeError: if the matrix is not square, holds anything but counts of at least 0, or has
            another number of classes than there are names.
    """
    counts, each = _checked(confusion), class_accuracy(confusion)
    if len(class_names) != len(counts):
        raise ShapeError(
            f"a confusion matrix of {len(counts)} classes needs as many names, "
            f"got {len(class_names)}."
        )
    occurs = ~np.isnan(each)
    if not occurs.any():
        return {}
    named = counts.sum(axis=0) + counts.sum(axis=1)
    f1 = 2 * np.diagonal(counts)[occurs] / named[occurs]
    return {
        "accuracy": float(np.trace(counts) / counts.sum()),
        "balanced_accuracy": float(each[occurs].mean()),
        "macro_f1": float(f1.mean()),
        **{
            f"accuracy/{name}": float(value)
            for name, value in zip(class_names, each, strict=True)
            if not np.isnan(value)
        },
    }


def _checked(confusion: np.ndarray) -> np.ndarray:
    counts = np.asarray(confusion)
    square = counts.ndim == 2 and counts.shape[0] == counts.shape[1] and len(counts) > 0
    if not square or counts.dtype.kind not in "iu" or (counts < 0).any():
        raise ShapeError(
            "a confusion matrix must be (C, C) whole counts of at least 0, "
            f"got shape {counts.shape} of {counts.dtype}."
        )
    return counts.astype(np.int64)

"""Top-1 accuracy of images, over all and by class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mtl.errors import ShapeError
from mtl.evaluation.bootstrap import RESAMPLES, redraws
from mtl.evaluation.unified.measured import SEEDS, Measured


def classification_metrics(
    predicted: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    resamples: int = RESAMPLES,
) -> dict[str, Measured]:
    """`top1`, the share named rightly, and `accuracy/<class>` of each class that occurs.

    Args:
        predicted: (N,) class numbers.
        labels: (N,) class numbers.
        class_names: names by number.
        resamples: of the intervals; 0: none.

    Returns:
        What was measured; nothing for an empty set.

    Raises:
        ShapeError: if predictions and labels differ in shape.
    """
    predicted, labels = np.asarray(predicted), np.asarray(labels)
    if predicted.shape != labels.shape or labels.ndim != 1:
        raise ShapeError(
            f"predicted classes and labels must both be (N,), got {predicted.shape} and "
            f"{labels.shape}."
        )
    if not len(labels):
        return {}
    right = (predicted == labels).astype(np.float64)
    metrics = {"top1": _share(right, np.ones(len(labels)), resamples)}
    for number, name in enumerate(class_names):
        chosen = (labels == number).astype(np.float64)
        if chosen.any():
            metrics[f"accuracy/{name}"] = _share(right * chosen, chosen, resamples)
    return metrics


def _share(right: np.ndarray, counted: np.ndarray, resamples: int) -> Measured:
    """sum(right) / sum(counted) of (N,) images, and the same of sets drawn anew."""
    value = float(right.sum() / counted.sum())
    if not resamples or len(right) < 2:
        return Measured(value)
    chunks = redraws(len(right), SEEDS["cls"], resamples)
    with np.errstate(invalid="ignore"):  # a class that was not drawn is NaN
        return Measured(value, np.concatenate([(c @ right) / (c @ counted) for c in chunks]))

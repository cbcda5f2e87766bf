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
        resamples: of the interval of `top1`; 0: none.

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
    drawn = None
    if resamples and len(labels) > 1:
        chunks = redraws(len(labels), SEEDS["cls"], resamples)
        drawn = np.concatenate([chunk @ right for chunk in chunks]) / len(labels)
    metrics = {"top1": Measured(float(right.mean()), drawn)}
    for number, name in enumerate(class_names):
        chosen = labels == number
        if chosen.any():
            metrics[f"accuracy/{name}"] = Measured(float(right[chosen].mean()))
    return metrics

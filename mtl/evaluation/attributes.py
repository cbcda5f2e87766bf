"""How well nine attributes and severity are told, from counts that add up over batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mtl.conditions import ATTRIBUTE_NAMES
from mtl.errors import ShapeError

OUTCOMES = ("true_positive", "false_positive", "false_negative", "true_negative")
"""Columns of the counts: what was said of an attribute, at a probability of 0.5, and is true."""


def attribute_metrics(
    counts: np.ndarray, names: Sequence[str] = ATTRIBUTE_NAMES
) -> dict[str, float]:
    """Metrics of the attributes by name.

    `attribute_accuracy` is the share of known attributes told rightly, `attribute_f1` the mean F1
    of those that occur, and `attribute_precision/<name>`, `attribute_recall/<name>` and
    `attribute_f1/<name>` are of one attribute.

    Args:
        counts: (A, 4) whole counts in the order of `OUTCOMES`.
        names: A names.

    Returns:
        What was measured: an attribute that never occurs has neither recall nor F1, one that is
        never said to no precision; with nothing known there is nothing.

    Raises:
        ShapeError: if the counts are not (A, 4) whole numbers of at least 0.
    """
    counts = np.asarray(counts)
    fits = counts.shape == (len(names), len(OUTCOMES))
    if not fits or counts.dtype.kind not in "iu" or (counts < 0).any():
        raise ShapeError(
            f"attribute counts must be ({len(names)}, {len(OUTCOMES)}) whole counts of at least 0, "
            f"got shape {counts.shape} of {counts.dtype}."
        )
    if not counts.any():
        return {}
    right = counts[:, 0].sum() + counts[:, 3].sum()
    metrics = {"attribute_accuracy": float(right / counts.sum())}
    each: dict[str, float] = {}
    for name, (hits, false_alarms, misses, _) in zip(names, counts.tolist(), strict=True):
        if hits + false_alarms:
            each[f"attribute_precision/{name}"] = hits / (hits + false_alarms)
        if hits + misses:
            each[f"attribute_recall/{name}"] = hits / (hits + misses)
            each[f"attribute_f1/{name}"] = 2 * hits / (2 * hits + false_alarms + misses)
    scores = [value for name, value in each.items() if name.startswith("attribute_f1/")]
    if scores:
        metrics["attribute_f1"] = float(np.mean(scores))
    return metrics | each

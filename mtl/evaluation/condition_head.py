"""How well a condition head that answers classes tells them on tracked sequences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from mtl.conditions import CONDITIONS, OUTPUT_NAMES
from mtl.errors import DataError, ShapeError
from mtl.evaluation.calibration import Calibration, calibration
from mtl.evaluation.condition_results import PredictedConditions
from mtl.evaluation.confusion import condition_metrics


class ConditionHeadScore(NamedTuple):
    """Scores on the labelled frames after the first of each sequence."""

    frames: int
    metrics: dict[str, float]
    """As `condition_metrics`, with precision/<c>, recall/<c>, f1/<c>, ece and brier; a class that
    never occurs has no recall, one that is never said no precision, one of neither no F1."""
    confusion: np.ndarray
    """(10, 10) int64, [true, predicted]."""
    calibration: Calibration


def score_condition_head(
    predicted: Mapping[str, PredictedConditions], labels: Mapping[str, np.ndarray]
) -> ConditionHeadScore | None:
    """Score the answers of a head.

    Args:
        predicted: sequence -> answers of classes.
        labels: sequence -> (L,) numbers in the order of `CONDITIONS`, below 0 without a label.

    Returns:
        None if no answered frame has a label.

    Raises:
        DataError: if the head answers something else than classes.
        ShapeError: if a sequence has another number of answers than labels.
    """
    values, truth = [np.empty((0, len(CONDITIONS)))], [np.empty(0, np.int64)]
    for name, one in predicted.items():
        if one.names != OUTPUT_NAMES["classes"]:
            raise DataError(
                f"{name}: only a head that answers the ten classes has a confusion matrix, got "
                f"{','.join(one.names)}."
            )
        known = labels.get(name)
        if known is None:
            continue
        if len(known) != len(one.values):
            raise ShapeError(
                f"{name}: {len(one.values)} answers for {len(known)} labelled frames; track the "
                "sequence again."
            )
        told = np.isfinite(one.values).all(axis=1) & (np.asarray(known) >= 0)
        values.append(one.values[told])
        truth.append(np.asarray(known)[told])
    answers, classes = np.concatenate(values), np.concatenate(truth)
    # The files have 6 decimals, so rows sum to 1 but for rounding.
    calibrated = calibration(answers, classes)
    if calibrated is None:
        return None
    confusion = np.zeros((len(CONDITIONS), len(CONDITIONS)), np.int64)
    np.add.at(confusion, (classes, answers.argmax(axis=1)), 1)
    metrics = condition_metrics(confusion) | _each(confusion)
    metrics |= {"ece": calibrated.ece, "brier": calibrated.brier}
    return ConditionHeadScore(len(classes), metrics, confusion, calibrated)


def _each(confusion: np.ndarray) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for number, name in enumerate(CONDITIONS):
        hits = int(confusion[number, number])
        true, said = int(confusion[number].sum()), int(confusion[:, number].sum())
        if said:
            metrics[f"precision/{name}"] = hits / said
        if true:
            metrics[f"recall/{name}"] = hits / true
        if true + said:
            metrics[f"f1/{name}"] = 2 * hits / (true + said)
    return metrics

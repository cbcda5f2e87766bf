from __future__ import annotations

import numpy as np
import pytest

from mtl.errors import ShapeError
from mtl.evaluation.unified.classification import classification_metrics

NAMES = ("boat", "buoy", "ferry")


def test_accuracy_over_all_and_by_class() -> None:
    labels, predicted = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 2])
    metrics = classification_metrics(predicted, labels, NAMES, resamples=500)
    assert metrics["top1"].value == pytest.approx(0.6)
    assert metrics["accuracy/boat"].value == pytest.approx(2 / 3)
    assert metrics["accuracy/buoy"].value == 0.5
    assert "accuracy/ferry" not in metrics
    low, high = metrics["top1"].interval()
    assert low < 0.6 < high


def test_interval_of_many_images_is_the_binomial_one() -> None:
    labels = np.zeros(400, dtype=np.int64)
    predicted = (np.arange(400) % 10 == 0).astype(np.int64)  # 0.9 right, standard error 0.015
    low, high = classification_metrics(predicted, labels, NAMES)["top1"].interval()
    assert low == pytest.approx(0.9 - 1.96 * 0.015, abs=0.004)
    assert high == pytest.approx(0.9 + 1.96 * 0.015, abs=0.004)


def test_an_empty_set_gives_nothing_and_odd_shapes_are_named() -> None:
    assert classification_metrics(np.zeros(0), np.zeros(0), NAMES) == {}
    with pytest.raises(ShapeError, match=r"must both be \(N,\)"):
        classification_metrics(np.zeros(3), np.zeros(2), NAMES)

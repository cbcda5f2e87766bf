from __future__ import annotations

import numpy as np
import pytest

from mtl.errors import ShapeError
from mtl.evaluation.confusion import class_accuracy, condition_metrics

NAMES = ("fog", "rain", "sun")
# fog: 6 of 8 right; rain: 1 of 2; sun never occurs but is guessed once.
CONFUSION = np.array([[6, 1, 1], [1, 1, 0], [0, 0, 0]])


def test_metrics_worked_by_hand() -> None:
    assert condition_metrics(CONFUSION, NAMES) == pytest.approx(
        {
            "accuracy": 7 / 10,
            "balanced_accuracy": (6 / 8 + 1 / 2) / 2,
            "macro_f1": (2 * 6 / (8 + 7) + 2 * 1 / (2 + 2)) / 2,
            "accuracy/fog": 6 / 8,
            "accuracy/rain": 1 / 2,
        }
    )


def test_a_class_without_samples_has_no_accuracy() -> None:
    np.testing.assert_array_equal(class_accuracy(CONFUSION), [0.75, 0.5, np.nan])


def test_nothing_labelled_gives_no_number() -> None:
    assert condition_metrics(np.zeros((3, 3), np.int64), NAMES) == {}


def test_always_right_is_one_everywhere() -> None:
    metrics = condition_metrics(np.diag([3, 4, 5]), NAMES)
    assert set(metrics.values()) == {1.0}


def test_guessing_one_class_is_chance_when_balanced() -> None:
    confusion = np.zeros((10, 10), np.int64)
    confusion[:, 0] = range(1, 11)
    metrics = condition_metrics(confusion, [str(i) for i in range(10)])
    assert metrics["balanced_accuracy"] == pytest.approx(0.1)
    assert metrics["accuracy"] == pytest.approx(1 / 55)


@pytest.mark.parametrize(
    "bad", [np.zeros((2, 3), int), np.zeros(3, int), np.eye(3), np.array([[1, -1], [0, 1]])]
)
def test_what_is_no_confusion_matrix_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(ShapeError, match=r"must be \(C, C\) whole counts"):
        class_accuracy(bad)


def test_names_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="3 classes needs as many names, got 2"):
        condition_metrics(CONFUSION, NAMES[:2])

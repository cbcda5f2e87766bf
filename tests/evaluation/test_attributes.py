from __future__ import annotations

import numpy as np
import pytest

from mtl.conditions import ATTRIBUTE_NAMES
from mtl.errors import ShapeError
from mtl.evaluation.attributes import attribute_metrics

NAMES = ("fog", "glare", "rain")


def test_metrics_worked_by_hand() -> None:
    counts = np.array([[6, 2, 3, 9], [0, 4, 0, 16], [0, 0, 5, 15]])
    assert attribute_metrics(counts, NAMES) == {
        "attribute_accuracy": pytest.approx(46 / 60),
        "attribute_f1": pytest.approx((12 / 17 + 0) / 2),
        "attribute_precision/fog": pytest.approx(6 / 8),
        "attribute_recall/fog": pytest.approx(6 / 9),
        "attribute_f1/fog": pytest.approx(12 / 17),
        "attribute_precision/glare": 0.0,  # said four times, never there
        "attribute_recall/rain": 0.0,  # never said
        "attribute_f1/rain": 0.0,
    }


def test_attributes_that_never_occur_have_no_f1() -> None:
    counts = np.array([[0, 1, 0, 3], [0, 0, 0, 4], [0, 0, 0, 0]])
    assert attribute_metrics(counts, NAMES) == {
        "attribute_accuracy": pytest.approx(7 / 8),
        "attribute_precision/fog": 0.0,
    }


def test_nothing_known_gives_no_number() -> None:
    assert attribute_metrics(np.zeros((len(ATTRIBUTE_NAMES), 4), np.int64)) == {}


@pytest.mark.parametrize(
    "bad", [np.ones((2, 4), int), np.ones((3, 3), int), np.ones((3, 4)), -np.ones((3, 4), int)]
)
def test_what_are_no_counts_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(ShapeError, match=r"must be \(3, 4\) whole counts of at least 0"):
        attribute_metrics(bad, NAMES)

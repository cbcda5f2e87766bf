from __future__ import annotations

import numpy as np
import pytest

from mtl.conditions import CONDITION_IDS, CONDITIONS, IGNORE, OUTPUT_NAMES
from mtl.errors import DataError, ShapeError
from mtl.evaluation.calibration import calibration
from mtl.evaluation.condition_head import score_condition_head
from mtl.evaluation.condition_results import PredictedConditions


def test_calibration_worked_by_hand() -> None:
    # Two answers at 0.8 of which one is right (gap 0.3), one at 0.55 that is right (gap 0.45).
    probabilities = np.array([[0.8, 0.2], [0.8, 0.2], [0.45, 0.55], [0.9, 0.1]])
    found = calibration(probabilities, np.array([0, 1, 1, IGNORE]), num_bins=10)
    assert found is not None
    assert found.ece == pytest.approx((2 * 0.3 + 0.45) / 3)
    assert found.brier == pytest.approx((2 * 0.04 + 2 * 0.64 + 2 * 0.45**2) / 3)
    assert found.counts.tolist() == [0, 0, 0, 0, 0, 1, 0, 2, 0, 0]
    assert found.accuracy[7] == 0.5
    assert np.isnan(found.accuracy[0])


def test_answers_drawn_from_their_own_probabilities_are_calibrated() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(10) * 0.3, 20000)
    labels = (probabilities.cumsum(axis=1) > rng.random((20000, 1))).argmax(axis=1)
    found = calibration(probabilities, labels)
    assert found is not None
    assert len(found.counts) == 15
    assert found.ece < 0.02


def test_a_head_that_is_always_sure_and_right_has_no_error() -> None:
    found = calibration(np.eye(10), np.arange(10))
    assert found is not None
    assert (found.ece, found.brier) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("probabilities", "labels"),
    [
        (np.eye(2), np.zeros(3, int)),
        (np.eye(2), np.array([0, 2])),
        (np.ones((2, 2)), np.zeros(2, int)),
    ],
)
def test_what_are_no_probabilities_of_these_labels_is_refused(
    probabilities: np.ndarray, labels: np.ndarray
) -> None:
    with pytest.raises(ShapeError, match="probabilities"):
        calibration(probabilities, labels)


def _answers(said: list[str]) -> PredictedConditions:
    values = np.full((len(said) + 1, 10), 0.02)
    values[np.arange(1, len(said) + 1), [CONDITION_IDS[name] for name in said]] = 0.82
    values[0] = np.nan
    return PredictedConditions(CONDITIONS, values)


def test_scores_of_a_head_worked_by_hand() -> None:
    said = _answers(["occlusion", "normal", "normal", "normal"])
    true = ["normal", "occlusion", "normal", "normal"]  # frame 0 was given
    labels = np.array([CONDITION_IDS[name] for name in true] + [IGNORE])
    found = score_condition_head({"a": said, "unlabelled": said}, {"a": labels})
    assert found is not None
    assert found.frames == 3
    assert found.metrics["accuracy"] == 1.0
    labels[1] = CONDITION_IDS["normal"]
    found = score_condition_head({"a": said}, {"a": labels})
    assert found is not None
    assert found.confusion.sum() == 3
    assert found.metrics["recall/normal"] == pytest.approx(2 / 3)
    assert found.metrics["precision/normal"] == 1.0
    assert found.metrics["f1/normal"] == pytest.approx(0.8)
    assert found.metrics["precision/occlusion"] == 0.0
    assert "recall/occlusion" not in found.metrics  # never there
    assert "precision/motion_blur" not in found.metrics  # never said
    assert found.metrics["ece"] == pytest.approx(0.82 - 2 / 3)


def test_without_labels_there_is_no_score() -> None:
    assert score_condition_head({"a": _answers(["normal"])}, {}) is None
    assert score_condition_head({}, {}) is None


def test_answers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="a: 2 answers for 3 labelled frames"):
        score_condition_head({"a": _answers(["normal"])}, {"a": np.zeros(3, np.int64)})
    attributes = PredictedConditions(OUTPUT_NAMES["attributes"], np.zeros((2, 10)))
    with pytest.raises(DataError, match="a: only a head that answers the ten classes"):
        score_condition_head({"a": attributes}, {"a": np.zeros(2, np.int64)})

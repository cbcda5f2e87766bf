from __future__ import annotations

import numpy as np
import pytest

from mtl.evaluation.curves import norm_precision_curve, precision_curve, success_curve
from mtl.evaluation.one_pass import SequenceScore, TrackedSequence, score_sequence, summarize
from tests.evaluation.scores import score


def drifted(name: str, steps: list[float]) -> SequenceScore:
    """Boxes that are so many pixels off, on a target of 20 x 10."""
    truth = np.tile([100.0, 100.0, 20.0, 10.0], (len(steps) + 1, 1))
    boxes = truth + np.outer([0.0, *steps], [1.0, 0.0, 0.0, 0.0])
    tracked = TrackedSequence(boxes, np.full(len(boxes), 0.1))
    return score_sequence(name, tracked, truth, np.ones(len(boxes), bool), 400, 400)


SCORES = [drifted("a", [0.0, 5.0, 21.0, 60.0]), drifted("b", [2.0, 2.0])]


def test_the_curves_hold_the_numbers_of_the_table() -> None:
    metrics = summarize(SCORES).metrics
    assert success_curve(SCORES).shares.mean() == pytest.approx(metrics["success_auc"])
    assert precision_curve(SCORES).shares[20] == pytest.approx(metrics["precision_20"])
    assert norm_precision_curve(SCORES).shares.mean() == pytest.approx(metrics["norm_precision"])


def test_a_curve_is_a_mean_over_sequences() -> None:
    shares = precision_curve(SCORES).shares
    # At 2 pixels: 1 of 4 frames of a, both of b; a long sequence weighs no more.
    assert shares[2] == pytest.approx((1 / 4 + 1) / 2)
    assert shares[1] == pytest.approx((1 / 4 + 0) / 2)
    assert shares[50] == pytest.approx((3 / 4 + 1) / 2)


def test_sequences_without_frames_change_nothing() -> None:
    with_empty = [*SCORES, score("empty", [])]
    np.testing.assert_array_equal(success_curve(with_empty).shares, success_curve(SCORES).shares)
    assert np.isnan(success_curve([score("empty", [])]).shares).all()

from __future__ import annotations

import numpy as np
import pytest

from mtl.errors import ShapeError
from mtl.evaluation.overlap import (
    bound_xywh,
    bounded_iou,
    center_error,
    normalized_center_error,
    outside_picture,
)


def test_iou_of_boxes_worked_by_hand() -> None:
    predicted = np.array([[0, 0, 10, 10], [5, 0, 10, 10], [20, 20, 5, 5], [2, 2, 4, 4.0]])
    truth = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10.0]])
    expected = [1.0, 50 / 150, 0.0, 16 / 100]
    np.testing.assert_allclose(bounded_iou(predicted, truth, 100, 100), expected, atol=1e-15)


def test_bounding_moves_a_box_that_begins_outside_and_cuts_one_that_ends_outside() -> None:
    boxes = np.array([[-10, -5, 30, 20], [90, 40, 30, 30], [120, 70, 10, 10.0]])
    expected = [[0, 0, 30, 20], [90, 40, 10, 10], [100, 50, 0, 0]]
    np.testing.assert_array_equal(bound_xywh(boxes, 100, 50), expected)


def test_overlap_is_measured_after_bounding() -> None:
    predicted, truth = np.array([[90, 0, 40, 10.0]]), np.array([[90, 0, 10, 10.0]])
    assert bounded_iou(predicted, truth, 100, 100)[0] == 1.0
    assert bounded_iou(predicted, truth, 200, 100)[0] == 0.25


def test_boxes_outside_the_picture_have_no_overlap() -> None:
    box = np.array([[150, 150, 10, 10.0]])
    assert bounded_iou(box, box, 100, 100)[0] == 0.0


def test_the_given_boxes_are_not_changed() -> None:
    predicted, truth = np.array([[-5, -5, 300, 300.0]]), np.array([[-1, -1, 500, 500.0]])
    before = predicted.copy(), truth.copy()
    bounded_iou(predicted, truth, 100, 100)
    np.testing.assert_array_equal(predicted, before[0])
    np.testing.assert_array_equal(truth, before[1])


def test_iou_is_symmetric_and_within_its_range() -> None:
    rng = np.random.default_rng(0)
    a = rng.uniform([-20, -20, 0, 0], [120, 120, 80, 80], (500, 4))
    b = rng.uniform([-20, -20, 0, 0], [120, 120, 80, 80], (500, 4))
    ious = bounded_iou(a, b, 100, 90)
    np.testing.assert_array_equal(ious, bounded_iou(b, a, 100, 90))
    assert 0.0 <= ious.min() < ious.max() <= 1.0


def test_center_errors_worked_by_hand() -> None:
    predicted, truth = np.array([[3, 4, 10, 20.0]]), np.array([[0, 0, 10, 20.0]])
    assert center_error(predicted, truth)[0] == pytest.approx(5.0)
    assert normalized_center_error(predicted, truth)[0] == pytest.approx(np.hypot(0.3, 0.2))


def test_center_error_ignores_a_size_error_about_the_same_center() -> None:
    predicted, truth = np.array([[0, 0, 20, 20.0]]), np.array([[5, 5, 10, 10.0]])
    assert center_error(predicted, truth)[0] == 0.0


@pytest.mark.parametrize("shape", [(2, 4), (3, 5), (4,)])
def test_unpaired_boxes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"must both be \(N, 4\)"):
        bounded_iou(np.zeros((3, 4)), np.zeros(shape), 10, 10)


def test_a_box_is_outside_where_it_shares_no_area_with_the_picture() -> None:
    touching = [[99, 49, 5, 5], [-5, -5, 6, 6], [-10, -10, 200, 200]]
    away = [[100, 10, 5, 5], [10, 50, 5, 5], [-5, 10, 5, 5], [10, -8, 5, 5]]
    outside = outside_picture(np.array([*touching, *away], float), 100, 50)
    assert outside.tolist() == [False] * 3 + [True] * 4

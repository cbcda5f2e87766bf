from __future__ import annotations

import numpy as np
import pytest

from mtl.errors import ShapeError
from mtl.evaluation.unified.detection import (
    coco_precision,
    detection_metrics,
    misread_metrics,
)
from tests.evaluation.unified.random_boxes import random_boxes, to_found, to_truth

NAMES = ("boat", "buoy", "ferry")


def test_perfect_boxes_have_precision_one_in_every_class_that_occurs() -> None:
    truth = to_truth([(0, 0, 0, 10, 10, 30, 20), (1, 1, 0, 5, 8, 40, 40), (2, 1, 0, 0, 0, 9, 9)])
    rows = zip(truth.images, truth.classes, truth.boxes_xywh, strict=True)
    found = to_found([(image, label, 0.9, *box) for image, label, box in rows])
    metrics = detection_metrics(truth, found, 3, NAMES, resamples=50)
    assert {name: found.value for name, found in metrics.items()} == pytest.approx(
        {
            "map": 1.0,
            "map_50": 1.0,
            "map_75": 1.0,
            "ap/boat": 1.0,
            "ap/buoy": 1.0,
        }
    )
    assert metrics["map"].interval() == (1.0, 1.0)
    (misread,) = misread_metrics(truth, found, 3, NAMES, resamples=50).values()
    assert misread.value == pytest.approx(1.0)
    assert misread.interval() == (1.0, 1.0)


def test_misreading_boxes_flatters_a_displaced_one() -> None:
    truth = to_truth([(0, 0, 0, 100, 100, 50, 50)])
    found = to_found([(0, 0, 0.9, 120, 100, 50, 50)])
    metrics = detection_metrics(truth, found, 1, NAMES, resamples=0)
    assert metrics["map"].value == 0.0  # IoU 3/7
    metrics = misread_metrics(truth, found, 1, NAMES, resamples=0)
    assert metrics["map_misread_boxes"].value == pytest.approx(0.4)  # IoU just below 0.7


def test_what_is_found_inside_a_crowd_is_neither_right_nor_wrong() -> None:
    truth = to_truth([(0, 0, 1, 0, 0, 100, 100), (0, 0, 0, 200, 200, 20, 20)])
    found = to_found([(0, 0, 0.9, 10, 10, 20, 20), (0, 0, 0.5, 200, 200, 20, 20)])
    assert detection_metrics(truth, found, 1, NAMES, resamples=0)["map"].value == 1.0


def test_nothing_found_is_zero_and_nothing_to_find_is_no_metric() -> None:
    truth, found = random_boxes(3, 6, 3)
    none = to_found([])
    metrics = detection_metrics(truth, none, 6, NAMES, resamples=20)
    assert metrics["map"].value == 0.0
    assert metrics["map"].interval() == (0.0, 0.0)
    assert detection_metrics(to_truth([]), found, 6, NAMES) == {}
    only_crowds = truth._replace(crowd=np.ones_like(truth.crowd))
    assert detection_metrics(only_crowds, found, 6, NAMES) == {}
    assert detection_metrics(to_truth([]), none, 0, NAMES) == {}
    assert misread_metrics(to_truth([]), found, 6, NAMES) == {}


def test_interval_holds_the_value_and_narrows_with_more_images() -> None:
    few, many = (
        detection_metrics(*random_boxes(5, images, 3), images, NAMES, resamples=200)
        | misread_metrics(*random_boxes(5, images, 3), images, NAMES, resamples=200)
        for images in (10, 60)
    )
    for metrics in (few, many):
        for name in ("map", "map_50", "map_75", "map_misread_boxes"):
            low, high = metrics[name].interval()
            assert low < metrics[name].value < high
    assert np.ptp(many["map"].interval()) < np.ptp(few["map"].interval())


def test_only_the_hundred_surest_boxes_of_an_image_and_class_count() -> None:
    truth = to_truth([(0, 0, 0, 10, 10, 30, 30)])
    wrong = [(0, 0, 0.5 + k / 1000, 200, 200, 10, 10) for k in range(100)]
    found = to_found([*wrong, (0, 0, 0.1, 10, 10, 30, 30)])
    assert coco_precision(truth, found, 1, 1).max() == 0.0
    found = to_found([*wrong[1:], (0, 0, 0.1, 10, 10, 30, 30)])
    assert coco_precision(truth, found, 1, 1).min() == pytest.approx(0.01)


def test_boxes_that_do_not_fit_are_named() -> None:
    truth, found = random_boxes(3, 6, 3)
    with pytest.raises(ShapeError, match=r"image numbers of true boxes must be below 2, got \d"):
        detection_metrics(truth, found, 2, NAMES)
    with pytest.raises(ShapeError, match="class numbers of true boxes must be below 1"):
        detection_metrics(truth, found, 6, NAMES[:1])
    with pytest.raises(ShapeError, match=r"found boxes must be \(K, 4\)"):
        detection_metrics(truth, found._replace(scores=found.scores[1:]), 6, NAMES)
    with pytest.raises(ShapeError, match=r"image numbers of true boxes must be below 2, got \d"):
        misread_metrics(truth, found, 2, NAMES)

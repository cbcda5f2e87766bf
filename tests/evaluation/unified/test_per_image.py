from __future__ import annotations

import numpy as np
import pytest

from mtl.evaluation.unified.detection import coco_precision
from mtl.evaluation.unified.per_image import bad_and_good, image_ious, image_precisions
from tests.evaluation.unified.random_boxes import random_boxes


def test_precision_of_an_image_is_what_coco_gives_for_a_set_of_this_image() -> None:
    truth, found = random_boxes(3, 6, 3)
    scores = image_precisions(truth, found, 6, 3)
    for image in range(6):
        mine, said = truth.images == image, found.images == image
        alone = [type(one)(*(column[rows] for column in one))._replace(
            images=np.zeros(int(rows.sum()), np.int64)
        ) for one, rows in ((truth, mine), (found, said))]  # fmt: skip
        expected = coco_precision(alone[0], alone[1], 1, 3)
        if np.isnan(expected).all():
            assert np.isnan(scores[image])
        else:
            assert scores[image] == pytest.approx(np.nanmean(expected))


def test_iou_of_an_image_leaves_out_classes_that_it_neither_has_nor_names() -> None:
    confusion = np.zeros((2, 3, 3), np.int64)
    confusion[0, 0, 0], confusion[0, 0, 1], confusion[0, 1, 1] = 6, 2, 2
    first, second = image_ious(confusion)
    assert first == pytest.approx((6 / 8 + 2 / 4) / 2)
    assert np.isnan(second)


def test_half_of_the_shown_images_are_the_worst_and_half_the_best() -> None:
    scores = np.array([0.5, np.nan, 0.1, 0.9, 0.3, 0.9])
    assert bad_and_good(scores, 4) == [2, 4, 3, 5]
    assert bad_and_good(scores, 3) == [2, 3, 5]
    assert bad_and_good(scores, 9) == [2, 4, 0, 3, 5]

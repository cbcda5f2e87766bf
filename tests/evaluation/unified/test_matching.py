from __future__ import annotations

import numpy as np
import pytest

from mtl.evaluation.unified.detection import coco_precision
from mtl.evaluation.unified.matching import average_precision, match
from tests.evaluation.unified.random_boxes import random_boxes

IMAGES, CLASSES = 14, 3


def weighted(truth, found, weights) -> np.ndarray:
    matches = match(truth, found, len(weights), CLASSES)
    return np.stack([average_precision(one, weights[None])[0] for one in matches])


def repeated(boxes, weights):
    """The same boxes with image i copied weights[i] times as images of their own."""
    first = np.concatenate([[0], np.cumsum(weights)])
    rows, images = [], []
    for image, times in enumerate(weights):
        own = np.flatnonzero(boxes.images == image)
        for copy in range(times):
            rows.append(own)
            images.append(np.full(len(own), first[image] + copy))
    rows = np.concatenate(rows)
    columns = {name: getattr(boxes, name)[rows] for name in boxes._fields if name != "images"}
    return boxes._replace(**columns, images=np.concatenate(images))


@pytest.mark.parametrize("seed", range(8))
def test_every_image_once_is_the_library_s_value(seed: int) -> None:
    truth, found = random_boxes(seed, IMAGES, CLASSES)
    wanted = coco_precision(truth, found, IMAGES, CLASSES)
    got = weighted(truth, found, np.ones(IMAGES, dtype=np.int64))
    np.testing.assert_allclose(got, wanted, atol=1e-9)
    assert 0.05 < np.nanmean(wanted) < 0.9


@pytest.mark.parametrize("seed", range(8))
def test_an_image_drawn_twice_is_two_images(seed: int) -> None:
    truth, found = random_boxes(seed, IMAGES, CLASSES)
    weights = np.random.default_rng(seed).multinomial(IMAGES, np.full(IMAGES, 1 / IMAGES))
    wanted = coco_precision(repeated(truth, weights), repeated(found, weights), IMAGES, CLASSES)
    np.testing.assert_allclose(weighted(truth, found, weights), wanted, atol=1e-9)


def test_a_class_without_true_or_found_boxes() -> None:
    truth, found = random_boxes(1, IMAGES, CLASSES)
    kept = found.classes != 2
    found = type(found)(*(column[kept] for column in found))
    alone = truth.classes != 0
    truth = type(truth)(*(column[alone] for column in truth))
    got = weighted(truth, found, np.ones(IMAGES, dtype=np.int64))
    assert np.isnan(got[0]).all()
    assert (got[2] == 0).all()
    assert (got[1] > 0).any()


def test_resamples_together_are_each_by_itself() -> None:
    truth, found = random_boxes(3, IMAGES, CLASSES)
    weights = np.random.default_rng(3).multinomial(IMAGES, np.full(IMAGES, 1 / IMAGES), size=20)
    weights[7] = 0  # no image at all
    for one in match(truth, found, IMAGES, CLASSES):
        alone = [average_precision(one, row[None])[0] for row in weights]
        together = average_precision(one, weights)
        np.testing.assert_allclose(together, alone, atol=1e-12)
        assert np.isnan(together[7]).all()

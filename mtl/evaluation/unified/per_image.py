"""How well each image was answered by itself: what tells good pictures from bad ones."""

from __future__ import annotations

import numpy as np

from mtl.evaluation.unified.boxes import FoundBoxes, TrueBoxes
from mtl.evaluation.unified.matching import ClassMatches, average_precision, match
from mtl.evaluation.unified.segmentation import class_iou


def image_precisions(
    truth: TrueBoxes, found: FoundBoxes, num_images: int, num_classes: int
) -> np.ndarray:
    """AP of each image alone, the mean over IoU 0.50 to 0.95 and the classes it shows.

    Args:
        truth: what is to be found.
        found: what was found.
        num_images: N.
        num_classes: C.

    Returns:
        (N,) float64; NaN for an image without a true box.
    """
    total, classes = np.zeros(num_images), np.zeros(num_images)
    for one in match(truth, found, num_images, num_classes):
        for image in np.flatnonzero(one.required).tolist():
            mine = np.flatnonzero(one.images == image)
            alone = ClassMatches(
                np.zeros(len(mine), dtype=np.int64),
                one.right[:, mine],
                one.wrong[:, mine],
                one.required[image : image + 1],
            )
            total[image] += average_precision(alone, np.ones((1, 1))).mean()
            classes[image] += 1
    return np.where(classes > 0, total / np.maximum(classes, 1), np.nan)


def image_ious(confusions: np.ndarray) -> np.ndarray:
    """Mean IoU of each image alone, over the classes in its truth or answer.

    Args:
        confusions: (N, C, C) counts of each image, [image, true, predicted].

    Returns:
        (N,) float64; NaN for an image of which no pixel is counted.
    """
    each = class_iou(np.asarray(confusions))
    known = ~np.isnan(each)
    number = known.sum(axis=1)
    total = np.where(known, each, 0.0).sum(axis=1)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def bad_and_good(scores: np.ndarray, count: int) -> list[int]:
    """Numbers of images to show: half of them the worst, half the best, worst first.

    Args:
        scores: (N,) of each image; NaN is not shown.
        count: how many at most.
    """
    known = np.flatnonzero(~np.isnan(scores))
    order = known[np.argsort(scores[known], kind="stable")].tolist()
    if len(order) <= count:
        return order
    best = count - count // 2
    return order[: count // 2] + order[len(order) - best :]

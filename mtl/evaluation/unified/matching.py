"""COCO's average precision of weighted images: what a bootstrap over images resamples.

The value of a metric comes from the COCO library (`mtl.evaluation.unified.detection`); this module
matches once and then gives the same number for any image drawn any number of times, because an
image drawn twice is an image whose counts weigh two.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mtl.evaluation.unified.boxes import MAX_DETECTIONS, FoundBoxes, TrueBoxes

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""IoU thresholds over which average precision is averaged."""
RECALLS = np.linspace(0.0, 1.0, 101)
"""Recall points at which precision is read."""


class ClassMatches(NamedTuple):
    """One class: its boxes in order of descending score, and whether they are right."""

    images: np.ndarray
    """(D,) image of each found box."""
    right: np.ndarray
    """(T, D) bool, matches a true box at each IoU threshold."""
    wrong: np.ndarray
    """(T, D) bool; neither right nor wrong is a box inside a crowd."""
    required: np.ndarray
    """(N,) true boxes of each image, without crowds."""


def match(
    truth: TrueBoxes, found: FoundBoxes, num_images: int, num_classes: int
) -> list[ClassMatches]:
    """Match found to true boxes as COCO does: by descending score, each to the best one left.

    Args:
        truth: what is to be found.
        found: what was found.
        num_images: N.
        num_classes: C.

    Returns:
        C entries.
    """
    matched = []
    for number in range(num_classes):
        true_rows, found_rows = truth.classes == number, found.classes == number
        required = np.bincount(truth.images[true_rows & ~truth.crowd], minlength=num_images).astype(
            np.float64
        )
        images, scores, right, wrong = [], [], [], []
        for image in np.unique(found.images[found_rows]):
            rows = np.flatnonzero(found_rows & (found.images == image))
            rows = rows[np.argsort(-found.scores[rows], kind="stable")][:MAX_DETECTIONS]
            others = np.flatnonzero(true_rows & (truth.images == image))
            others = others[np.argsort(truth.crowd[others], kind="stable")]
            crowd = truth.crowd[others]
            iou = _iou(found.boxes_xywh[rows], truth.boxes_xywh[others], crowd)
            is_right, is_ignored = _match_image(iou, crowd)
            images.append(np.full(len(rows), image))
            scores.append(found.scores[rows])
            right.append(is_right)
            wrong.append(~is_right & ~is_ignored)
        if not images:
            none = np.zeros((len(THRESHOLDS), 0), dtype=bool)
            matched.append(ClassMatches(np.zeros(0, dtype=np.int64), none, none, required))
            continue
        order = np.argsort(-np.concatenate(scores), kind="stable")
        matched.append(
            ClassMatches(
                np.concatenate(images)[order],
                np.concatenate(right, axis=1)[:, order],
                np.concatenate(wrong, axis=1)[:, order],
                required,
            )
        )
    return matched


def average_precision(matches: ClassMatches, weights: np.ndarray) -> np.ndarray:
    """AP of a class at each IoU threshold, image i of resample r counted weights[r, i] times.

    Precision only matters where recall grows, so wrong boxes are counted once, by image, between
    one right box and the next; a resample is then a product with its weights.

    Args:
        matches: of the class.
        weights: (R, N) whole numbers of at least 0.

    Returns:
        (R, T) float64; NaN where no true box has weight.
    """
    weights = weights.astype(np.float64)
    required = weights @ matches.required
    known = required > 0
    values = np.full((len(weights), len(THRESHOLDS)), np.nan)
    values[known] = 0.0
    for column, (right, wrong) in enumerate(zip(matches.right, matches.wrong, strict=True)):
        places, misses = np.flatnonzero(right), np.flatnonzero(wrong)
        if not len(places):
            continue
        next_right = np.searchsorted(places, misses)
        before = np.zeros((len(places) + 1, weights.shape[1]))
        np.add.at(before, (next_right, matches.images[misses]), 1.0)
        lost = weights[known] @ before[:-1].cumsum(axis=0).T
        gained = weights[known][:, matches.images[places]].cumsum(axis=1)
        precision = gained / np.maximum(gained + lost, np.spacing(1))
        best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        reached = np.searchsorted(RECALLS, gained / required[known, None], side="right")
        newly = np.diff(reached, axis=1, prepend=0)  # recall points first reached at each right box
        values[known, column] = (best * newly).sum(axis=1) / len(RECALLS)
    return values


def _match_image(iou: np.ndarray, crowd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(D, G) overlaps, crowds last, to (T, D) right and (T, D) inside a crowd."""
    T, (D, G) = len(THRESHOLDS), iou.shape
    right, ignored = np.zeros((T, D), dtype=bool), np.zeros((T, D), dtype=bool)
    taken = np.zeros((T, G), dtype=bool)
    least = np.minimum(THRESHOLDS, 1 - 1e-10)[:, None]
    for d in range(D if G else 0):
        enough = iou[d] >= least
        free = np.where(enough & ~taken & ~crowd, iou[d], -1.0)
        best = G - 1 - np.argmax(free[:, ::-1], axis=1)  # the last of equal ones, as COCO's loop
        right[:, d] = free.max(axis=1) >= 0
        ignored[:, d] = ~right[:, d] & (enough & crowd).any(axis=1)
        hit = np.flatnonzero(right[:, d])
        taken[hit, best[hit]] = True
    return right, ignored


def _iou(found_xywh: np.ndarray, true_xywh: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """(D, G) overlap; over the found box alone for a crowd."""
    a, b = found_xywh[:, None].astype(np.float64), true_xywh[None].astype(np.float64)
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    both = np.maximum(high - low, 0).prod(axis=-1)
    own, other = a[..., 2:].prod(axis=-1), b[..., 2:].prod(axis=-1)
    union = np.where(crowd[None], own, own + other - both)
    return np.where(union > 0, both / np.where(union > 0, union, 1.0), 0.0)

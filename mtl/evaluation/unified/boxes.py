"""Boxes of a set of images as columns, and as rows that add up over workers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mtl.errors import ShapeError

MAX_DETECTIONS = 100
"""Boxes of an image and class that count by COCO's rules."""


class TrueBoxes(NamedTuple):
    """What is to be found in N images."""

    boxes_xywh: np.ndarray
    """(K, 4) pixels."""
    classes: np.ndarray
    """(K,) class numbers."""
    images: np.ndarray
    """(K,) numbers of the images, below N."""
    crowd: np.ndarray
    """(K,) bool; need not be found, and what is found inside is not counted as wrong."""


class FoundBoxes(NamedTuple):
    """What was found in N images."""

    boxes_xywh: np.ndarray
    """(D, 4) pixels of the same frame as the true ones."""
    scores: np.ndarray
    """(D,) higher is surer."""
    classes: np.ndarray
    """(D,) class numbers."""
    images: np.ndarray
    """(D,) numbers of the images, below N."""


def as_rows(
    boxes_xywh: Tensor, scores: Tensor, classes: Tensor, num_classes: int, num_rows: int
) -> Tensor:
    """The surest boxes of one image in a fixed shape, so that a batch or an epoch can hold them.

    Args:
        boxes_xywh: (D, 4).
        scores: (D,).
        classes: (D,) class numbers below C.
        num_classes: C.
        num_rows: R, at least as many as boxes are left; 100 C always are.

    Returns:
        (R, 6) float64: x, y, w, h, score, class + 1; the 100 surest of each class by descending
        score, then zeros.
    """
    rows = torch.zeros(num_rows, 6, dtype=torch.float64, device=scores.device)
    order = torch.sort(scores, descending=True, stable=True).indices
    same = classes[order, None] == torch.arange(num_classes, device=scores.device)
    place = same.cumsum(dim=0).gather(1, classes[order, None].long())[:, 0]  # from 1, in its class
    order = order[place <= MAX_DETECTIONS]
    columns = (boxes_xywh[order], scores[order, None], (classes[order] + 1)[:, None])
    rows[: len(order)] = torch.cat([column.double() for column in columns], dim=1)
    return rows


def from_rows(rows: np.ndarray) -> FoundBoxes:
    """The boxes of N images from (N, R, 6), the `as_rows` of each."""
    rows = np.asarray(rows, dtype=np.float64)
    if rows.ndim != 3 or rows.shape[2] != 6:
        raise ShapeError(f"rows of found boxes must be (N, D, 6), got {rows.shape}.")
    images, places = np.nonzero(rows[..., 5])
    chosen = rows[images, places]
    return FoundBoxes(chosen[:, :4], chosen[:, 4], chosen[:, 5].astype(np.int64) - 1, images)


def place_rows(values: Tensor, images: Tensor, num_images: int) -> Tensor:
    """A batch's values at the places of its images: what workers hold adds up to the whole set.

    Args:
        values: (B, ...) one entry an image.
        images: (B,) numbers of the images; below 0 where a row is not valid.
        num_images: N.

    Returns:
        (N, ...) float64, zeros for images of other batches.
    """
    placed = torch.zeros(num_images, *values.shape[1:], dtype=torch.float64, device=values.device)
    valid = images >= 0
    placed[images[valid]] = values[valid].double()
    return placed

"""How far predicted boxes are from the truth; boxes are x, y, width, height in image pixels."""

from __future__ import annotations

import numpy as np

from mtl.errors import ShapeError


def bound_xywh(boxes_xywh: np.ndarray, width: float, height: float) -> np.ndarray:
    """Boxes bounded to the picture by the rule of the GOT-10k toolkit (Huang et al., 2019).

    x is clipped to [0, width] first, then the width to [0, width - x]; likewise in y. So a box that
    begins left of the picture is moved, not cut. That is the benchmark's rule, kept so that our
    numbers are the benchmark's.

    Args:
        boxes_xywh: (..., 4) pixels; not changed.
        width: of the picture, pixels.
        height: of the picture, pixels.

    Returns:
        (..., 4) float64.
    """
    boxes = np.asarray(boxes_xywh, np.float64)
    size = np.array([width, height], np.float64)
    corner = np.clip(boxes[..., :2], 0.0, size)
    return np.concatenate([corner, np.clip(boxes[..., 2:], 0.0, size - corner)], axis=-1)


def outside_picture(boxes_xywh: np.ndarray, width: float, height: float) -> np.ndarray:
    """Which boxes share no area with the picture, so that no tracker could find them.

    Args:
        boxes_xywh: (..., 4) pixels.
        width: of the picture, pixels.
        height: of the picture, pixels.

    Returns:
        (...) bool.
    """
    boxes = np.asarray(boxes_xywh, np.float64)
    lower, upper = boxes[..., :2], boxes[..., :2] + boxes[..., 2:]
    inside = (lower < [width, height]) & (upper > 0.0)
    return np.asarray(~inside.all(axis=-1))


def bounded_iou(
    predicted_xywh: np.ndarray, truth_xywh: np.ndarray, width: float, height: float
) -> np.ndarray:
    """IoU of paired boxes after both are bounded to the picture, as GOT-10k measures overlap.

    Args:
        predicted_xywh: (N, 4) pixels.
        truth_xywh: (N, 4) pixels.
        width: of the picture, pixels.
        height: of the picture, pixels.

    Returns:
        (N,) in [0, 1]; 0 where both boxes are empty.

    Raises:
        ShapeError: if the arrays are not both (N, 4).
    """
    _require_paired(predicted_xywh, truth_xywh)
    a, b = bound_xywh(predicted_xywh, width, height), bound_xywh(truth_xywh, width, height)
    lower = np.maximum(a[:, :2], b[:, :2])
    upper = np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:])
    intersection = np.maximum(upper - lower, 0.0).prod(axis=1)
    union = a[:, 2:].prod(axis=1) + b[:, 2:].prod(axis=1) - intersection
    ious: np.ndarray = np.clip(intersection / np.where(union > 0.0, union, 1.0), 0.0, 1.0)
    return ious


def center_error(predicted_xywh: np.ndarray, truth_xywh: np.ndarray) -> np.ndarray:
    """Distance of the centres of paired boxes in pixels (Wu et al., CVPR 2013).

    Args:
        predicted_xywh: (N, 4) pixels.
        truth_xywh: (N, 4) pixels.

    Returns:
        (N,) pixels.

    Raises:
        ShapeError: if the arrays are not both (N, 4).
    """
    distance: np.ndarray = np.linalg.norm(_center_offset(predicted_xywh, truth_xywh), axis=1)
    return distance


def normalized_center_error(predicted_xywh: np.ndarray, truth_xywh: np.ndarray) -> np.ndarray:
    """Distance of the centres in units of the true box's sides (Muller et al., ECCV 2018).

    sqrt((dx / width)^2 + (dy / height)^2), width and height of the true box.

    Args:
        predicted_xywh: (N, 4) pixels.
        truth_xywh: (N, 4) pixels, sides above 0.

    Returns:
        (N,) without unit.

    Raises:
        ShapeError: if the arrays are not both (N, 4).
    """
    offset = _center_offset(predicted_xywh, truth_xywh)
    sides = np.asarray(truth_xywh, np.float64)[:, 2:]
    distance: np.ndarray = np.linalg.norm(offset / sides, axis=1)
    return distance


def _center_offset(predicted_xywh: np.ndarray, truth_xywh: np.ndarray) -> np.ndarray:
    _require_paired(predicted_xywh, truth_xywh)
    difference = np.asarray(predicted_xywh, np.float64) - np.asarray(truth_xywh, np.float64)
    offset: np.ndarray = difference[:, :2] + difference[:, 2:] / 2.0  # exactly 0 for equal boxes
    return offset


def _require_paired(predicted_xywh: np.ndarray, truth_xywh: np.ndarray) -> None:
    shapes = np.shape(predicted_xywh), np.shape(truth_xywh)
    if shapes[0] != shapes[1] or len(shapes[0]) != 2 or shapes[0][1] != 4:
        raise ShapeError(
            f"predicted and true boxes must both be (N, 4), got {shapes[0]} and {shapes[1]}; "
            "give one pair for each frame."
        )

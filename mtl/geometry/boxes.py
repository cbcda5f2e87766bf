"""Box formats, their overlap, and the limits of a picture.

Functions ending in `_np` work on numpy arrays in pixels; all others on torch tensors of any unit.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mtl.errors import ShapeError


def cxcywh_to_xyxy(boxes_cxcywh: Tensor) -> Tensor:
    """(..., 4) centre and size to two corners."""
    center, size = boxes_cxcywh.split(2, dim=-1)
    return torch.cat([center - 0.5 * size, center + 0.5 * size], dim=-1)


def xywh_to_xyxy(boxes_xywh: Tensor) -> Tensor:
    """(..., 4) corner and size to two corners."""
    corner, size = boxes_xywh.split(2, dim=-1)
    return torch.cat([corner, corner + size], dim=-1)


def xyxy_to_xywh(boxes_xyxy: Tensor) -> Tensor:
    """(..., 4) two corners to corner and size."""
    first, second = boxes_xyxy.split(2, dim=-1)
    return torch.cat([first, second - first], dim=-1)


def xyxy_to_cxcywh(boxes_xyxy: Tensor) -> Tensor:
    """(..., 4) two corners to centre and size."""
    first, second = boxes_xyxy.split(2, dim=-1)
    return torch.cat([0.5 * (first + second), second - first], dim=-1)


def cxcywh_to_xywh(boxes_cxcywh: Tensor) -> Tensor:
    """(..., 4) centre and size to corner and size."""
    center, size = boxes_cxcywh.split(2, dim=-1)
    return torch.cat([center - 0.5 * size, size], dim=-1)


def iou(boxes_a_xyxy: Tensor, boxes_b_xyxy: Tensor) -> Tensor:
    """Intersection over union of paired boxes; nan where both areas are zero.

    Args:
        boxes_a_xyxy: (..., 4), any unit, x2 >= x1 and y2 >= y1.
        boxes_b_xyxy: (..., 4), same shape and unit.

    Raises:
        ShapeError: if the two shapes differ.
    """
    return _iou_and_union(boxes_a_xyxy, boxes_b_xyxy)[0]


def giou(boxes_a_xyxy: Tensor, boxes_b_xyxy: Tensor) -> Tensor:
    """Generalized IoU of paired boxes (Rezatofighi et al., CVPR 2019, Algorithm 1).

    giou = iou - (hull - union) / hull, in (-1, 1]; 1 exactly when the boxes coincide.

    Args:
        boxes_a_xyxy: (..., 4), any unit, x2 >= x1 and y2 >= y1.
        boxes_b_xyxy: (..., 4), same shape and unit.

    Raises:
        ShapeError: if the two shapes differ.
    """
    return iou_and_giou(boxes_a_xyxy, boxes_b_xyxy)[1]


def iou_and_giou(boxes_a_xyxy: Tensor, boxes_b_xyxy: Tensor) -> tuple[Tensor, Tensor]:
    """Both overlaps at the cost of one; see `iou` and `giou`."""
    overlap, union = _iou_and_union(boxes_a_xyxy, boxes_b_xyxy)
    first = torch.minimum(boxes_a_xyxy[..., :2], boxes_b_xyxy[..., :2])
    second = torch.maximum(boxes_a_xyxy[..., 2:], boxes_b_xyxy[..., 2:])
    hull = (second - first).prod(dim=-1)
    return overlap, overlap - (hull - union) / hull


def _iou_and_union(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    if a.shape != b.shape or a.shape[-1] != 4:
        raise ShapeError(
            f"paired boxes must both be (..., 4), got {tuple(a.shape)} and {tuple(b.shape)}."
        )
    first = torch.maximum(a[..., :2], b[..., :2])
    second = torch.minimum(a[..., 2:], b[..., 2:])
    intersection = (second - first).clamp(min=0).prod(dim=-1)
    area_a = (a[..., 2:] - a[..., :2]).prod(dim=-1)
    area_b = (b[..., 2:] - b[..., :2]).prod(dim=-1)
    union = area_a + area_b - intersection
    return intersection / union, union


def clip_box_xywh_np(box_xywh: np.ndarray, height: int, width: int, margin: float) -> np.ndarray:
    """Keep a tracked box in the picture and at least `margin` wide (HIPTrack spec 7.1).

    x1' = min(max(0, x1), W - m), x2' = min(max(m, x2), W), w = max(m, x2' - x1'); y likewise.

    Args:
        box_xywh: (4,) pixels of the picture.
        height: of the picture.
        width: of the picture.
        margin: pixels.

    Returns:
        (4,) float64 xywh, pixels.
    """
    x, y, w, h = (float(value) for value in box_xywh)
    left, right = min(max(0.0, x), width - margin), min(max(margin, x + w), width)
    top, bottom = min(max(0.0, y), height - margin), min(max(margin, y + h), height)
    extent = (max(margin, right - left), max(margin, bottom - top))
    return np.array([left, top, *extent], dtype=np.float64)

"""Conditions that follow from box and pixels alone (annotation formats, section 5).

All thresholds are in pixels of the original picture. Where a box reaches over the border it is
clipped before the ring is laid round it; the published code clips after and so cuts out the wrong
part.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def scale_variation(
    box_xywh: ArrayLike, template_xywh: ArrayLike, low: float = 0.7, high: float = 1.4
) -> bool:
    """Whether sqrt(area / template area) lies outside [low, high].

    Areas below 1 count as 1.
    """
    ratio = np.sqrt(max(_area(box_xywh), 1.0) / max(_area(template_xywh), 1.0))
    return bool(ratio < low or ratio > high)


def low_resolution(box_xywh: ArrayLike, min_side: int = 24, min_area: int = 900) -> bool:
    """Whether the target has few pixels.

    A rounded side below `min_side`, or the product of both below `min_area`.
    """
    _, _, w, h = (float(value) for value in np.asarray(box_xywh))
    width, height = round(w), round(h)
    return min(width, height) < min_side or width * height < min_area


def contrast_ratio(image: np.ndarray, box_xywh: ArrayLike, ring: int = 10) -> float:
    """Spread of grey in the box over that in a ring round it: s_in / (s_ring + 1e-6).

    Args:
        image: (H, W, 3) uint8 RGB.
        box_xywh: (4,) pixels; corners are rounded and clipped.
        ring: width of the ring in pixels, clipped to the picture; an empty one is as the box.

    Returns:
        The ratio of standard deviations; 0 for a box wholly outside the picture.
    """
    height, width = image.shape[:2]
    x, y, w, h = (float(value) for value in np.asarray(box_xywh))
    x0, x1 = (min(max(round(value), 0), width) for value in (x, x + w))
    y0, y1 = (min(max(round(value), 0), height) for value in (y, y + h))
    if x1 <= x0 or y1 <= y0:
        return 0.0
    left, top = max(x0 - ring, 0), max(y0 - ring, 0)
    around = image[top : y1 + ring, left : x1 + ring]
    grey = around @ np.array([0.299, 0.587, 0.114])
    outside = np.ones(grey.shape, dtype=bool)
    outside[y0 - top : y1 - top, x0 - left : x1 - left] = False
    inner, outer = grey[~outside], grey[outside]
    spread = float(inner.std())
    return spread / ((float(outer.std()) if outer.size else spread) + 1e-6)


def low_contrast(
    image: np.ndarray, box_xywh: ArrayLike, ring: int = 10, min_ratio: float = 1.1
) -> bool:
    """Whether the target's grey values spread less than its surroundings': ratio < 1 / min_ratio.

    Looks at spread, not at means: a ship lost in glare is hardly ever found.
    """
    return contrast_ratio(image, box_xywh, ring) < 1.0 / min_ratio


def cut_by_image(box_xywh: ArrayLike, height: int, width: int, margin: float = 1.0) -> bool:
    """Whether the box comes within `margin` pixels of the picture's border."""
    x, y, w, h = (float(value) for value in np.asarray(box_xywh))
    return x <= margin or y <= margin or x + w >= width - margin or y + h >= height - margin


def _area(box_xywh: ArrayLike) -> float:
    _, _, w, h = (float(value) for value in np.asarray(box_xywh))
    return w * h

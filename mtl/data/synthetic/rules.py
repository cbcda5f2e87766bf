"""The computed conditions of a frame: what a box alone tells (FORMATS, section 5)."""

from __future__ import annotations

import numpy as np

LOW_RATIO, HIGH_RATIO = 0.7, 1.4
MIN_SIDE, MIN_AREA = 24, 900
BORDER = 1.0


def is_scale_variation(box_xywh: np.ndarray, template_xywh: np.ndarray) -> bool:
    """Whether sqrt(area / template area), areas at least 1, lies outside [0.7, 1.4]."""
    area = max(1.0, float(box_xywh[2] * box_xywh[3]))
    template_area = max(1.0, float(template_xywh[2] * template_xywh[3]))
    return not LOW_RATIO <= float(np.sqrt(area / template_area)) <= HIGH_RATIO


def is_low_resolution(box_xywh: np.ndarray) -> bool:
    """Whether the box, sides rounded, has a side under 24 or an area under 900 pixels."""
    w, h = round(float(box_xywh[2])), round(float(box_xywh[3]))
    return min(w, h) < MIN_SIDE or w * h < MIN_AREA


def is_cut(box_xywh: np.ndarray, width: int, height: int) -> bool:
    """Whether the box comes within one pixel of the picture border."""
    x, y, w, h = (float(v) for v in box_xywh)
    return x <= BORDER or y <= BORDER or x + w >= width - BORDER or y + h >= height - BORDER

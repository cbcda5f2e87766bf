"""The square a tracker looks at, and the two ways between picture and crop (HIPTrack spec 7.1, 9).

Everything is numpy and equals the published model's preprocessing to the byte, including its two
oddities: padding on the right and at the bottom begins one pixel early, and a box is centred at
(size - 1) / 2 of its own crop while `box_to_image` does not undo that half pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike

from mtl.errors import DataError

# 2^15 pixels a side: beyond any box of a picture that `data.max_pixels` lets through, by default.
MAX_SIDE = 32_768


@dataclass(frozen=True)
class Crop:
    """A resized square of a picture.

    Attributes:
        image: (size, size, 3) uint8, black where the square reaches over the picture.
        padding: (size, size) bool, true where a pixel is not wholly from the picture.
        resize_factor: pixels of the crop per pixel of the picture.
    """

    image: np.ndarray
    padding: np.ndarray
    resize_factor: float


def crop(image: np.ndarray, box_xywh: ArrayLike, factor: float, size: int) -> Crop:
    """Cut a square around a box and resize it (HIPTrack spec 9.1).

    side = ceil(sqrt(w h) factor); resized with OpenCV's 8-bit bilinear filter.

    Args:
        image: (H, W, 3) uint8.
        box_xywh: (4,) pixels of the picture; may reach over its border.
        factor: side of the square over the square root of the box area.
        size: side of the result in pixels.

    Raises:
        DataError: if the box has no area or is so large that the square cannot be cut.
    """
    left, top, side = square_around(box_xywh, factor)
    height, width = image.shape[:2]
    outside_x = _outside(left, side, width, size)
    outside_y = _outside(top, side, height, size)
    square = cut(image, left, top, side)
    return Crop(
        image=cv2.resize(square, (size, size), interpolation=cv2.INTER_LINEAR),
        padding=outside_y[:, None] | outside_x[None, :],
        resize_factor=size / side,
    )


def square_around(box_xywh: ArrayLike, factor: float) -> tuple[int, int, int]:
    """Left, top and side in whole pixels of the square around a box; ties round to even."""
    x, y, w, h = (float(value) for value in np.asarray(box_xywh, dtype=np.float64))
    if not all(math.isfinite(value) for value in (x, y, w, h)) or w <= 0 or h <= 0:
        raise DataError(
            f"a crop needs a box of positive size, got x, y, w, h = {x}, {y}, {w}, {h}; "
            "check the box file."
        )
    side = math.ceil(math.sqrt(w * h) * factor)
    if not 1 <= side <= MAX_SIDE:
        raise DataError(
            f"the square around box {x}, {y}, {w}, {h} is {side} pixels wide, which is outside "
            f"[1, {MAX_SIDE}]; check the box file and the crop factor."
        )
    return round(x + 0.5 * w - 0.5 * side), round(y + 0.5 * h - 0.5 * side), side


def cut(image: np.ndarray, left: int, top: int, side: int) -> np.ndarray:
    """(side, side, 3) uint8: the square before resizing, black outside the picture."""
    height, width = image.shape[:2]
    x0, x1 = _inside(left, side, width)
    y0, y1 = _inside(top, side, height)
    if x1 - x0 == side and y1 - y0 == side:
        return image[top : top + side, left : left + side]
    # Zeroed lazily by the system: a mostly black square of any size costs the pages it shows.
    square = np.zeros((side, side, 3), dtype=np.uint8)
    if x1 > x0 and y1 > y0:
        square[y0:y1, x0:x1] = image[top + y0 : top + y1, left + x0 : left + x1]
    return square


def box_in_crop(
    box_xywh: ArrayLike, extract_xywh: ArrayLike, resize_factor: float, size: int
) -> np.ndarray:
    """A box of the picture in the crop made around another one (HIPTrack spec 9.2).

    centre = (size - 1) / 2 + (centre_box - centre_extract) resize_factor.

    Args:
        box_xywh: (..., 4) pixels of the picture.
        extract_xywh: (..., 4) pixels; the box the crop was made around.
        resize_factor: of the crop.
        size: side of the crop in pixels.

    Returns:
        (..., 4) float64 xywh over the side of the crop; not clamped.
    """
    box = np.asarray(box_xywh, dtype=np.float64)
    extract = np.asarray(extract_xywh, dtype=np.float64)
    shift = _centre(box) - _centre(extract)
    extent = box[..., 2:] * resize_factor
    corner = (size - 1) / 2 + shift * resize_factor - extent / 2
    return np.concatenate([corner, extent], axis=-1) / size


def box_to_image(
    box_cxcywh: ArrayLike, state_xywh: ArrayLike, resize_factor: float, size: int
) -> np.ndarray:
    """A predicted box back in the picture (HIPTrack spec 7.1, before clipping).

    Args:
        box_cxcywh: (..., 4) over the side of the crop; scaled in its own precision, which is
            float32 in the published trackers.
        state_xywh: (..., 4) pixels; the box the crop was made around.
        resize_factor: of the crop.
        size: side of the crop in pixels.

    Returns:
        (..., 4) float64 xywh, pixels of the picture.
    """
    box = (np.asarray(box_cxcywh) * size / resize_factor).astype(np.float64)
    state = np.asarray(state_xywh, dtype=np.float64)
    centre = box[..., :2] + _centre(state) - 0.5 * size / resize_factor
    return np.concatenate([centre - 0.5 * box[..., 2:], box[..., 2:]], axis=-1)


def _centre(box_xywh: np.ndarray) -> np.ndarray:
    return box_xywh[..., :2] + 0.5 * box_xywh[..., 2:]


def _inside(start: int, side: int, length: int) -> tuple[int, int]:
    """Half-open range of the square that shows the picture; its last line is given up (9.1)."""
    first = max(0, -start)
    last = side - max(start + side - length + 1, 0)
    return first, max(first, last)


def _outside(start: int, side: int, length: int, size: int) -> np.ndarray:
    """(size,) bool along one axis: does the resized line take anything from the padding?

    The padding is all but a rectangle, so the two axes of its resized mask can be told apart.
    """
    first, last = _inside(start, side, length)
    line = np.ones((side, 1), dtype=np.float32)
    line[first:last] = 0.0
    resized = cv2.resize(line, (1, size), interpolation=cv2.INTER_LINEAR)
    return np.not_equal(resized.reshape(size), 0.0)


REFERENCE_SIDE = 100.0
"""Pixels; the second size feature is 0 for a target of this size."""


def size_features(boxes_xywh: np.ndarray, template_box_xywh: np.ndarray) -> np.ndarray:
    """What a crop hides: how large the target is, against the template and in pixels.

    Args:
        boxes_xywh: (..., 4) pixels; the boxes that are cropped around.
        template_box_xywh: (4,) pixels.

    Returns:
        (..., 2) log of the side over that of the template, and over 100 pixels.
    """
    sides = np.sqrt(boxes_xywh[..., 2] * boxes_xywh[..., 3])
    template = np.sqrt(template_box_xywh[2] * template_box_xywh[3])
    return np.log(np.stack([sides / template, sides / REFERENCE_SIDE], axis=-1))

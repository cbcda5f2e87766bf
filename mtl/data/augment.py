"""Random changes of a clip, with the random numbers as arguments (HIPTrack spec 10.2).

The order is: grey and mirror the clip, jitter the search boxes, crop, mirror single crops. The
brightness factor and the normalisation follow on the device that trains (`mtl.data.normalize`).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike


def gray(image: np.ndarray) -> np.ndarray:
    """Grey picture in three equal channels; (H, W, 3) uint8 in and out, OpenCV's weights."""
    return np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB))


def mirror_image(image: np.ndarray) -> np.ndarray:
    """The image left to right, as a view; (H, W, ...)."""
    return image[:, ::-1]


def mirror_box(box_xywh: ArrayLike, width: int) -> np.ndarray:
    """The box in a mirrored picture, in pixels: new left = (W - 1) - (x + w), as published."""
    x, y, w, h = np.asarray(box_xywh, dtype=np.float64)
    return np.array([(width - 1) - (x + w), y, w, h])


def mirror_crop_box(box_xywh: ArrayLike) -> np.ndarray:
    """The box in a mirrored crop, over the crop's side: new left = 1 - (x + w)."""
    x, y, w, h = np.asarray(box_xywh, dtype=np.float64)
    return np.array([1.0 - (x + w), y, w, h])


def jitter_box(
    box_xywh: ArrayLike, normal: ArrayLike, uniform: ArrayLike, scale: float, center: float
) -> np.ndarray:
    """The box a crop is made around while training (HIPTrack spec 10.2, step 2).

    size' = size exp(scale normal); centre' = centre + (uniform - 0.5) center sqrt(w' h')

    Args:
        box_xywh: (4,) pixels.
        normal: (2,) standard normals.
        uniform: (2,) uniforms on [0, 1).
        scale: spread of the log of a side.
        center: range of the centre in box sides.

    Returns:
        (4,) float64 xywh pixels.
    """
    box = np.asarray(box_xywh, dtype=np.float64)
    size = box[2:] * np.exp(scale * np.asarray(normal, dtype=np.float64))
    offset = (np.asarray(uniform, dtype=np.float64) - 0.5) * center * np.sqrt(size.prod())
    return np.concatenate([box[:2] + 0.5 * box[2:] + offset - 0.5 * size, size])


def shows_nothing(padding: np.ndarray, patch_size: int) -> bool:
    """Whether every token of a crop is padding, so that the clip is rejected (spec 10.2, step 5).

    Args:
        padding: (s, s) bool.
        patch_size: side of a token; the mask is sampled at the nearest pixel, its top left one.
    """
    return bool(padding[::patch_size, ::patch_size].all())

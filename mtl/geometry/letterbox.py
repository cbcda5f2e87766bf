"""Scaling an image into a square without changing its shape, for boxes; and back."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Letterbox(NamedTuple):
    """Where an image lies in the square: longer side scaled to it, the rest padded evenly."""

    width: int
    """Of the scaled image, pixels."""
    height: int
    left: int
    """Padding before the scaled image, pixels."""
    top: int
    scale_x: float
    """Scaled width over width; differs from scale_y by rounding to whole pixels."""
    scale_y: float

    @classmethod
    def of(cls, width: int, height: int, side: int) -> Letterbox:
        """The placement of an image of this size in a square of this side."""
        scale = side / max(width, height)
        w, h = max(1, round(width * scale)), max(1, round(height * scale))
        return cls(w, h, (side - w) // 2, (side - h) // 2, w / width, h / height)

    def to_square(self, boxes_xywh: np.ndarray) -> np.ndarray:
        """Boxes (..., 4) xywh in pixels of the image, as xywh in pixels of the square."""
        scale = np.array([self.scale_x, self.scale_y] * 2)
        shift = np.array([self.left, self.top, 0, 0], dtype=np.float64)
        return np.asarray(boxes_xywh, dtype=np.float64) * scale + shift

    def to_image(self, boxes_xywh: np.ndarray) -> np.ndarray:
        """Boxes (..., 4) xywh in pixels of the square, as xywh in pixels of the image."""
        scale = np.array([self.scale_x, self.scale_y] * 2)
        shift = np.array([self.left, self.top, 0, 0], dtype=np.float64)
        return (np.asarray(boxes_xywh, dtype=np.float64) - shift) / scale

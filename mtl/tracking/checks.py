"""What a tracker can be given: pictures, and a first box that shows something of its picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mtl.errors import DataError, ShapeError


def check_frame(frame: np.ndarray) -> None:
    """Raise ShapeError unless this is a picture (H, W, 3) uint8 with H, W >= 1."""
    if not isinstance(frame, np.ndarray):
        raise ShapeError(f"a frame must be an array (H, W, 3) uint8, got {type(frame).__name__}.")
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or not frame.size:
        raise ShapeError(f"a frame must be (H, W, 3) uint8, got {frame.shape} {frame.dtype}.")


def check_first_box(box_xywh: ArrayLike, frame: np.ndarray) -> np.ndarray:
    """The box a sequence starts from, (4,) float64 in pixels; it may reach over the border.

    Raises:
        ShapeError: if it is not four numbers.
        DataError: if they are not finite, the box has no area, or it lies beside the picture.
    """
    try:
        box = np.array(box_xywh, dtype=np.float64)
    except (TypeError, ValueError):
        raise ShapeError(f"the first box must be four numbers, got {box_xywh!r}.") from None
    if box.shape != (4,):
        raise ShapeError(f"the first box must be (4,) x, y, w, h, got shape {box.shape}.")
    if not np.isfinite(box).all() or (box[2:] <= 0.0).any():
        raise DataError(
            f"the first box must be finite and of positive size, got {_text(box)}; "
            "give its left, top, width and height in pixels."
        )
    height, width = frame.shape[:2]
    corner, end = box[:2], box[:2] + box[2:]
    if (corner >= (width, height)).any() or (end <= 0.0).any():
        raise DataError(
            f"the first box must show something of the picture of {width}x{height} pixels, got "
            f"{_text(box)}; give its left, top, width and height in pixels of that picture."
        )
    return box


def _text(box_xywh: np.ndarray) -> str:
    return "x, y, w, h = " + ", ".join(f"{value:g}" for value in box_xywh)

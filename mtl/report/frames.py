"""Frames with boxes drawn on them, for the report and for looking at results."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mtl.errors import ShapeError

PREDICTED, TRUTH = (255, 122, 0), (0, 224, 170)
"""RGB of the two boxes; told apart by any colour vision, and one is dashed."""
MIN_WIDTH = 480
"""Smaller frames are enlarged to this many pixels, so that the caption can be read."""
FINE_WIDTH = 1280
"""Up to this width a box is drawn with 3 pixels; beyond, in proportion."""


class Picture(NamedTuple):
    """A picture for the report."""

    title: str
    image: np.ndarray
    """(H, W, 3) uint8 RGB."""


class DrawnBox(NamedTuple):
    """A box and how it is drawn."""

    box_xywh: np.ndarray | None
    """(4,) pixels; none: nothing is drawn."""
    color: tuple[int, int, int]
    """RGB."""
    dashed: bool = False


def draw_tracked(
    frame: np.ndarray,
    predicted_xywh: np.ndarray | None,
    truth_xywh: np.ndarray | None,
    caption: str,
) -> np.ndarray:
    """A frame with the predicted box (solid) and the true one (dashed) over a caption strip.

    Args:
        frame: (H, W, 3) uint8 RGB; not changed.
        predicted_xywh: (4,) pixels of the frame, or none.
        truth_xywh: (4,) pixels of the frame, or none where the target is absent.
        caption: one line under the frame, cut where it does not fit.

    Returns:
        (H', W', 3) uint8 RGB, at least `MIN_WIDTH` wide; the strip adds to the height.

    Raises:
        ShapeError: if the frame or a box has another shape or type.
    """
    boxes = [DrawnBox(truth_xywh, TRUTH, dashed=True), DrawnBox(predicted_xywh, PREDICTED)]
    picture = draw_boxes(frame, boxes)
    return np.concatenate([picture, _strip(picture.shape[1], caption, truth_xywh is None)])


def draw_boxes(frame: np.ndarray, boxes: Iterable[DrawnBox]) -> np.ndarray:
    """A frame with boxes, the first one undermost.

    Args:
        frame: (H, W, 3) uint8 RGB; not changed.
        boxes: in pixels of the frame.

    Returns:
        (H', W', 3) uint8 RGB, at least `MIN_WIDTH` wide.

    Raises:
        ShapeError: if the frame or a box has another shape or type.
    """
    require_picture(frame, "a frame to draw on")
    height, width = frame.shape[:2]
    scale = max(1.0, MIN_WIDTH / width)
    size = (round(width * scale), round(height * scale))
    picture = cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC)
    line = max(3, round(3 * size[0] / FINE_WIDTH))
    for box in boxes:
        if box.box_xywh is not None:
            _draw_box(picture, np.asarray(box.box_xywh, np.float64) * scale, line, box)
    return picture


def require_picture(image: np.ndarray, what: str) -> None:
    """Raise ShapeError unless the array is a (H, W, 3) uint8 picture with area."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise ShapeError(f"{what} must be (H, W, 3) uint8, got {image.shape} {image.dtype}.")


def _draw_box(picture: np.ndarray, box_xywh: np.ndarray, line: int, how: DrawnBox) -> None:
    """Lines of so many pixels around the box, not on it: small targets stay visible."""
    height, width = picture.shape[:2]
    if box_xywh.shape != (4,):
        raise ShapeError(f"a box to draw must be (4,), got {box_xywh.shape}.")
    if not np.isfinite(box_xywh).all():
        return
    corners = np.concatenate([box_xywh[:2], box_xywh[:2] + np.maximum(box_xywh[2:], 0.0)])
    x0, y0, x1, y1 = (round(float(value)) for value in np.clip(corners, -1e6, 1e6))
    for edge, color in ((1, (0, 0, 0)), (0, how.color)):
        out, thick = line + edge, line + 2 * edge
        left, right = _outside(x0, x1, out, width)
        top, bottom = _outside(y0, y1, out, height)
        columns = _along(left, right, width, line, edge, how.dashed)
        rows = _along(top, bottom, height, line, edge, how.dashed)
        for start in (top, bottom - thick):
            picture[max(start, 0) : max(start + thick, 0), columns] = color
        for start in (left, right - thick):
            picture[rows, max(start, 0) : max(start + thick, 0)] = color


def _outside(start: int, end: int, out: int, size: int) -> tuple[int, int]:
    """Where the lines begin and end; at the picture's border they move in, so that they show."""
    first = max(start - out, 0) if start >= 0 else start - out
    last = min(end + out, size) if end <= size else end + out
    return first, last


def _along(start: int, end: int, size: int, line: int, edge: int, dashed: bool) -> np.ndarray:
    """Which pixels of a side, in the picture, have ink; a dash takes 8 of 14 pixels if 3 wide."""
    pixels = np.arange(max(start, 0), max(min(end, size), 0))
    if not dashed:
        return pixels
    dash, step = round(8 * line / 3), round(14 * line / 3)
    return pixels[(pixels - start) % step < dash + 2 * edge]


def _strip(width: int, caption: str, absent: bool) -> np.ndarray:
    unit = width / MIN_WIDTH  # the page shows every picture equally wide
    strip = Image.new("RGB", (width, round(34 * unit)), (255, 255, 255))
    draw = ImageDraw.Draw(strip)
    font = ImageFont.load_default(size=round(18 * unit))
    legend = (("predicted", PREDICTED), ("target absent" if absent else "truth", TRUTH))
    ink, top, gap = (34, 48, 60), 6 * unit, 8 * unit
    x = float(width)
    for text, color in reversed(legend):
        x -= draw.textlength(text, font=font) + gap
        draw.text((x, top), text, fill=ink, font=font)
        x -= 2.2 * gap
        draw.rectangle((x, 11 * unit, x + 12 * unit, 23 * unit), fill=color)
        x -= gap
    text = " ".join(caption.split())
    while text and draw.textlength(text, font=font) > x - gap:
        text = text.removesuffix("…")[:-1].rstrip() + "…" if len(text) > 2 else ""
    draw.text((gap, top), text, fill=ink, font=font)
    return np.asarray(strip)

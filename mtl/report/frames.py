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
    picture = Image.fromarray(cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC))
    draw = ImageDraw.Draw(picture)
    line = max(3, round(3 * size[0] / FINE_WIDTH))
    for box in boxes:
        if box.box_xywh is not None:
            box_xywh = np.asarray(box.box_xywh, np.float64)
            _draw_box(draw, box_xywh, scale, line, box.color, box.dashed)
    return np.asarray(picture)


def require_picture(image: np.ndarray, what: str) -> None:
    """Raise ShapeError unless the array is a (H, W, 3) uint8 picture with area."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise ShapeError(f"{what} must be (H, W, 3) uint8, got {image.shape} {image.dtype}.")


def _draw_box(
    draw: ImageDraw.ImageDraw,
    box_xywh: np.ndarray,
    scale: float,
    line: int,
    color: tuple[int, int, int],
    dashed: bool,
) -> None:
    """Lines of so many pixels around the box, not on it: small targets stay visible."""
    if box_xywh.shape != (4,):
        raise ShapeError(f"a box to draw must be (4,), got {box_xywh.shape}.")
    if not np.isfinite(box_xywh).all():
        return
    limit = 1e6  # the drawing library counts in 32 bits
    x0, y0 = np.clip(box_xywh[:2] * scale, -limit, limit)
    x1, y1 = np.clip((box_xywh[:2] + np.maximum(box_xywh[2:], 0.0)) * scale, -limit, limit)
    if not dashed:
        out = line + 1
        edge = (x0 - out, y0 - out, x1 + out, y1 + out)
        draw.rectangle(edge, outline=(0, 0, 0), width=line + 2)
        draw.rectangle((x0 - line, y0 - line, x1 + line, y1 + line), outline=color, width=line)
        return
    x0, y0, x1, y1 = x0 - line / 2, y0 - line / 2, x1 + line / 2, y1 + line / 2
    for start, end in (
        ((x0, y0), (x1, y0)),
        ((x1, y0), (x1, y1)),
        ((x0, y1), (x1, y1)),
        ((x0, y0), (x0, y1)),
    ):
        _draw_dashes(draw, start, end, line, color)


def _draw_dashes(
    draw: ImageDraw.ImageDraw,
    start: tuple[float, float],
    end: tuple[float, float],
    line: int,
    color: tuple[int, int, int],
) -> None:
    """A line of either direction of the axes; only what lies near the picture costs time."""
    axis = 0 if start[1] == end[1] else 1
    limit = draw.im.size[axis]
    length, step = 8.0 * line / 3, 14.0 * line / 3
    first, last = max(start[axis], -length), min(end[axis], limit + length)
    for dash in np.arange(first, last, step):
        piece = [list(start), list(start)]
        piece[0][axis], piece[1][axis] = dash, min(dash + length, last)
        points = [tuple(piece[0]), tuple(piece[1])]
        draw.line(points, fill=(0, 0, 0), width=line + 2)
        draw.line(points, fill=color, width=line)


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

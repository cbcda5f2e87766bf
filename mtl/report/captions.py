"""A tracked frame over a strip that tells its score and conditions, for videos."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mtl.report.frames import MIN_WIDTH, PREDICTED, DrawnBox, draw_boxes

PAPER, INK, SOFT, TRACK = (16, 24, 32), (240, 244, 247), (150, 163, 174), (52, 64, 75)
"""RGB of the strip, its text, its text of less weight, and the empty part of a bar."""
BROKEN = (170, 176, 182)
"""RGB of the box where the frame could not be read."""
GROWTH = 0.8
"""Text grows more slowly than the picture: 20 pixels at 480, 106 at 3840."""


def draw_captioned(
    image: np.ndarray,
    box_xywh: np.ndarray,
    text: str,
    score: float | None,
    conditions: Sequence[tuple[str, float, bool]] | None,
    broken: bool = False,
) -> np.ndarray:
    """A frame with its box over a strip, which never hides the target.

    Args:
        image: (H, W, 3) uint8 RGB; not changed.
        box_xywh: (4,) pixels of the frame.
        text: what comes first in the strip.
        score: as number and bar; none: a dash.
        conditions: name, probability and whether it holds now, for a second line; none: no line.
        broken: whether the frame could not be read; its box is dashed and grey.

    Returns:
        (H', W', 3) uint8 RGB, at least `MIN_WIDTH` wide, H' and W' even; its size depends on that
        of the frame and on whether there are conditions, not on their values.

    Raises:
        ShapeError: if the frame or the box has another shape or type.
    """
    box = DrawnBox(box_xywh, BROKEN if broken else PREDICTED, dashed=broken)
    picture = draw_boxes(image, [box])
    height, width = picture.shape[:2]
    strip = _strip(width + width % 2, text, score, conditions, broken)
    rest = height % 2, width % 2
    if any(rest):  # as a copy of the last row or column
        picture = np.pad(picture, ((0, rest[0]), (0, rest[1]), (0, 0)), mode="edge")
    return np.concatenate([picture, strip])


def _strip(
    width: int,
    text: str,
    score: float | None,
    conditions: Sequence[tuple[str, float, bool]] | None,
    broken: bool,
) -> np.ndarray:
    unit = (width / MIN_WIDTH) ** GROWTH
    row = 2 * round(15 * unit)
    rows = 1 if conditions is None else 2
    strip = Image.new("RGB", (width, rows * row), PAPER)
    line = _Line(ImageDraw.Draw(strip), unit, 0, row)
    line.text(text, INK)
    if broken:
        line.chip("frame could not be read", BROKEN, PAPER)
    else:
        line.text("score", SOFT)
        line.bar(score)
        line.text("-" if score is None else f"{score:.2f}", INK)
    if conditions is not None:
        line = _Line(ImageDraw.Draw(strip), unit, row, row)
        if not conditions:
            line.text("no word on conditions", SOFT)
        for number, (name, probability, active) in enumerate(conditions, start=1):
            shown = f"{name.replace('_', ' ')} {probability:.2f}"
            rest = len(conditions) - number
            if not line.chip(shown, *((PREDICTED, PAPER) if active else (TRACK, INK)), rest > 0):
                line.text(f"+{rest + 1}", INK)
                break
    return np.asarray(strip)


class _Line:
    """Writes from left to right."""

    def __init__(self, draw: ImageDraw.ImageDraw, unit: float, top: int, height: int) -> None:
        self._draw, self._unit, self._top, self._height = draw, unit, top, height
        self._x = 10 * unit
        self._font = ImageFont.load_default(size=round(17 * unit))

    def text(self, text: str, color: tuple[int, int, int]) -> None:
        middle = self._top + self._height / 2
        self._draw.text((self._x, middle), text, fill=color, font=self._font, anchor="lm")
        self._x += self._draw.textlength(text, font=self._font) + 14 * self._unit

    def bar(self, value: float | None) -> None:
        """A value in [0, 1]."""
        unit, middle = self._unit, self._top + self._height / 2
        left, right = self._x - 4 * unit, self._x + 96 * unit
        top, bottom = middle - 5 * unit, middle + 5 * unit
        self._draw.rectangle((left, top, right, bottom), fill=TRACK)
        if value is not None:
            end = left + min(max(value, 0.0), 1.0) * (right - left)
            self._draw.rectangle((left, top, end, bottom), fill=PREDICTED)
        self._x = right + 10 * unit

    def chip(
        self,
        text: str,
        fill: tuple[int, int, int],
        ink: tuple[int, int, int],
        more: bool = False,
    ) -> bool:
        """Text on a coloured ground, if it fits, and a short word after it if more follows."""
        unit = self._unit
        right = self._x + self._draw.textlength(text, font=self._font) + 14 * unit
        if right + (36 * unit if more else 0) > self._draw.im.size[0]:
            return False
        box = (self._x, self._top + 3 * unit, right, self._top + self._height - 3 * unit)
        self._draw.rounded_rectangle(box, radius=5 * unit, fill=fill)
        middle = self._top + self._height / 2
        where = (self._x + 7 * unit, middle)
        self._draw.text(where, text, fill=ink, font=self._font, anchor="lm")
        self._x = right + 8 * unit
        return True

"""Boxes, masks and classes that were predicted, side by side with the truth."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mtl.errors import ShapeError
from mtl.report.frames import Picture, require_picture

PANEL = 320
"""Side of a panel in pixels; images are scaled into it."""
STRIP = 26
"""Height of a line of text, pixels."""
IGNORED = 255
"""Mask value that is shown in grey."""
OVERLAY = 0.6
"""Opacity of a mask over its image."""

GAP = 6
"""White columns between two panels."""

_INK, _PAPER, _GREY = (34, 48, 60), (255, 255, 255), (150, 150, 150)
_BAR, _RIGHT = (198, 216, 229), (150, 214, 176)
_GOLDEN = 0.381966  # of a turn: neighbouring numbers get far hues


class LabelledBox(NamedTuple):
    """A box to draw."""

    box_xywh: np.ndarray
    """(4,) pixels of the image."""
    number: int
    """Of its class, for the colour."""
    name: str
    """Of its class."""
    score: float | None = None
    """None for a true box."""


def draw_detection(
    image: np.ndarray, truth: Sequence[LabelledBox], found: Sequence[LabelledBox], title: str
) -> Picture:
    """True boxes on the left, found ones with their scores on the right.

    Args:
        image: (H, W, 3) uint8 RGB; not changed.
        truth: true boxes.
        found: found boxes, those to be seen; the surest are drawn last, over the others.
        title: of the picture.

    Raises:
        ShapeError: if image or boxes have another shape.
    """
    ordered = sorted(found, key=lambda box: box.score if box.score is not None else 0.0)
    panels = [_boxes_panel(image, truth), _boxes_panel(image, ordered)]
    return _joined(panels, [f"truth ({len(truth)})", f"predicted ({len(found)})"], title)


def draw_segmentation(
    image: np.ndarray,
    truth: np.ndarray,
    predicted: np.ndarray,
    class_names: Sequence[str],
    title: str,
) -> Picture:
    """The image, the true mask over it and the predicted one, and a key of the classes in either.

    Args:
        image: (H, W, 3) uint8 RGB; not changed.
        truth: (H, W) class numbers, 255 ignored; class 0 is left clear.
        predicted: (H, W) class numbers.
        class_names: names by number.
        title: of the picture.

    Raises:
        ShapeError: if the sizes differ.
    """
    require_picture(image, "an image to draw a mask on")
    if truth.shape != image.shape[:2] or predicted.shape != truth.shape:
        raise ShapeError(
            f"masks must have the image's size {image.shape[:2]}, got {truth.shape} and "
            f"{predicted.shape}."
        )
    panels = [_fit(image), _fit(_overlaid(image, truth)), _fit(_overlaid(image, predicted))]
    picture = _joined(panels, ["image", "truth", "predicted"], title)
    shown = np.union1d(np.unique(truth), np.unique(predicted))
    entries = [(class_names[k], class_color(int(k))) for k in shown if 0 < k < len(class_names)]
    if IGNORED in shown:
        entries.append(("not counted", _GREY))
    return picture._replace(image=np.concatenate([picture.image, _key(entries, _width(3))]))


def draw_classification(
    image: np.ndarray,
    label: int,
    probabilities: np.ndarray,
    class_names: Sequence[str],
    title: str,
) -> Picture:
    """The image beside its true class and the three likeliest; the true one has a green bar.

    Args:
        image: (H, W, 3) uint8 RGB; not changed.
        label: true class.
        probabilities: (C,) in [0, 1].
        class_names: C names.
        title: of the picture.

    Raises:
        ShapeError: if there are not as many probabilities as names.
    """
    if probabilities.shape != (len(class_names),):
        raise ShapeError(
            f"probabilities must be ({len(class_names)},), one a class, got {probabilities.shape}."
        )
    side = Image.new("RGB", (PANEL, PANEL), _PAPER)
    draw, font = ImageDraw.Draw(side), _font(15)
    draw.text((14, 12), f"truth: {class_names[label]}", fill=_INK, font=font)
    order = np.argsort(-probabilities, kind="stable")[:3]
    for place, number in enumerate(order.tolist()):
        top = 56 + 50 * place
        share = float(np.clip(probabilities[number], 0.0, 1.0))
        color = _RIGHT if number == label else _BAR
        draw.rectangle((14, top, 14 + (PANEL - 28) * share, top + 34), fill=color)
        text = _cut(draw, f"{share:.2f}  {class_names[number]}", font, PANEL - 40)
        draw.text((20, top + 8), text, fill=_INK, font=font)
    return _joined([_fit(image), np.asarray(side)], ["image", "predicted"], title)


def class_color(number: int) -> tuple[int, int, int]:
    """RGB of a class; numbers that follow each other are easily told apart."""
    hue = (0.02 + number * _GOLDEN) % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85 if number % 2 else 0.7, 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)


def _boxes_panel(image: np.ndarray, boxes: Sequence[LabelledBox]) -> np.ndarray:
    require_picture(image, "an image to draw boxes on")
    picture = Image.fromarray(_fit(image))
    draw, font = ImageDraw.Draw(picture), _font(13)
    scale, left, top = _placement(image)
    for box in boxes:
        place = np.asarray(box.box_xywh, dtype=np.float64)
        if place.shape != (4,):
            raise ShapeError(f"a box to draw must be (4,), got {place.shape}.")
        if not np.isfinite(place).all():
            continue
        x0, y0 = place[:2] * scale + (left, top)
        x1, y1 = (place[:2] + np.maximum(place[2:], 0)) * scale + (left, top)
        x0, y0, x1, y1 = (float(np.clip(v, -1e4, 1e4)) for v in (x0, y0, x1, y1))
        color = class_color(box.number)
        draw.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=(0, 0, 0), width=4)
        draw.rectangle((x0, y0, x1, y1), outline=color, width=2)
        text = box.name if box.score is None else f"{box.name} {box.score:.2f}"
        width = draw.textlength(text, font=font) + 6
        x = min(max(x0, 0), max(PANEL - width, 0))
        y = y0 - 17 if y0 >= 17 else max(y0, 0)
        draw.rectangle((x, y, x + width, y + 16), fill=color, outline=(0, 0, 0))
        draw.text((x + 3, y), text, fill=(0, 0, 0), font=font)
    return np.asarray(picture)


def _overlaid(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    colors = np.array([class_color(number) for number in range(256)], dtype=np.float64)
    colors[IGNORED] = _GREY
    strength = np.where(mask == 0, 0.0, OVERLAY)[..., None]
    return np.asarray(image * (1 - strength) + colors[mask] * strength).round().astype(np.uint8)


def _placement(image: np.ndarray) -> tuple[float, int, int]:
    """Scale, left and top of an image inside its panel."""
    height, width = image.shape[:2]
    scale = PANEL / max(height, width)
    return scale, (PANEL - round(width * scale)) // 2, (PANEL - round(height * scale)) // 2


def _fit(image: np.ndarray) -> np.ndarray:
    """The image in the middle of a white panel."""
    require_picture(image, "an image to draw")
    scale, left, top = _placement(image)
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    smaller = scale < 1
    scaled = cv2.resize(image, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    panel = np.full((PANEL, PANEL, 3), 255, dtype=np.uint8)
    panel[top : top + size[1], left : left + size[0]] = scaled
    return panel


def _joined(panels: Sequence[np.ndarray], captions: Sequence[str], title: str) -> Picture:
    strip = Image.new("RGB", (_width(len(panels)), STRIP), _PAPER)
    draw, font = ImageDraw.Draw(strip), _font(15)
    row = np.full((PANEL, _width(len(panels)), 3), 255, dtype=np.uint8)
    for place, (panel, caption) in enumerate(zip(panels, captions, strict=True)):
        left = (PANEL + GAP) * place
        draw.text((left + 8, 4), caption, fill=_INK, font=font)
        row[:, left : left + PANEL] = panel
    return Picture(title, np.concatenate([np.asarray(strip), row]))


def _width(panels: int) -> int:
    return PANEL * panels + GAP * (panels - 1)


def _key(entries: Sequence[tuple[str, tuple[int, int, int]]], width: int) -> np.ndarray:
    """Colours and names, in as many lines as they need."""
    font = _font(14)
    lines: list[list[tuple[float, str, tuple[int, int, int]]]] = [[]]
    measure = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    x = 8.0
    for name, color in entries:
        needed = measure.textlength(name, font=font) + 40
        if x + needed > width and lines[-1]:
            lines.append([])
            x = 8.0
        lines[-1].append((x, name, color))
        x += needed
    strip = Image.new("RGB", (width, STRIP * len(lines)), _PAPER)
    draw = ImageDraw.Draw(strip)
    for row, line in enumerate(lines):
        for x, name, color in line:
            top = STRIP * row
            draw.rectangle((x, top + 6, x + 14, top + 20), fill=color, outline=_INK)
            draw.text((x + 20, top + 4), name, fill=_INK, font=font)
    return np.asarray(strip)


def _cut(
    draw: ImageDraw.ImageDraw,
    text: str,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    width: float,
) -> str:
    while len(text) > 2 and draw.textlength(text, font=font) > width:
        text = text.removesuffix("…")[:-1].rstrip() + "…"
    return text


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)

"""Frames with the boxes of several trackers, each in its colour of the plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import ImageColor

from mtl.report.frames import DrawnBox, Picture, draw_boxes
from mtl.report.html import Html, text
from mtl.report.trackers import color_of, short

TRUTH_COLOR = "#ffffff"


def tracker_picture(
    title: str,
    frame: np.ndarray,
    boxes_xywh: Mapping[str, np.ndarray],
    truth_xywh: np.ndarray | None,
) -> Picture:
    """A frame with the box of every tracker over the true one, which is white and dashed.

    Args:
        title: of the picture.
        frame: (H, W, 3) uint8 RGB.
        boxes_xywh: tracker -> (4,) pixels, in the order that decides their colours.
        truth_xywh: (4,) pixels; none where the target is absent.
    """
    drawn = [DrawnBox(truth_xywh, _rgb(TRUTH_COLOR), dashed=True)]
    for place, box in enumerate(boxes_xywh.values()):
        drawn.append(DrawnBox(box, _rgb(color_of(place))))
    return Picture(title, draw_boxes(frame, drawn))


def color_key(trackers: Sequence[str]) -> Html:
    """Which colour is whose."""
    entries = [("truth, dashed", TRUTH_COLOR)]
    entries += [(short(name), color_of(i)) for i, name in enumerate(trackers)]
    items = (
        f'<span class="key"><i style="background:{color}"></i>{text(name)}</span>'
        for name, color in entries
    )
    return Html(f"<p>{''.join(items)}</p>")


def _rgb(color: str) -> tuple[int, int, int]:
    red, green, blue = ImageColor.getrgb(color)[:3]
    return red, green, blue

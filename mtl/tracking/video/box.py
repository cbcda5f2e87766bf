"""The box of the target in the first frame: as text, checked, or drawn by the user."""

from __future__ import annotations

import os
import sys

import cv2
import numpy as np

from mtl.errors import ConfigError

WINDOW = "Drag a box around the target, then press Enter (c: cancel)"


def parse_box(text: str) -> np.ndarray:
    """(4,) float64 xywh in pixels from `x,y,w,h`.

    Raises:
        ConfigError: if it is not four finite numbers, or has no area.
    """
    try:
        box_xywh = np.array([float(part) for part in text.split(",")])
    except ValueError:
        box_xywh = np.empty(0)
    if box_xywh.shape != (4,) or not np.isfinite(box_xywh).all():
        raise ConfigError(
            f"--box must be four numbers x,y,w,h in pixels, got '{text}'; "
            "x,y is the upper left corner, as in --box 120,80,60,40."
        )
    if (box_xywh[2:] <= 0.0).any():
        raise ConfigError(f"--box must have width and height above 0, got '{text}'.")
    return box_xywh


def pick_box(image: np.ndarray) -> np.ndarray:
    """(4,) xywh in pixels, drawn by the user on the first frame (H, W, 3) uint8 RGB.

    Raises:
        ConfigError: if OpenCV has no windows, there is no display, or the user drew nothing.
    """
    height, width = image.shape[:2]
    why = _no_window()
    if why:
        raise ConfigError(
            f"the target's box cannot be drawn here, because {why}; give --box x,y,w,h in pixels "
            f"of the first frame, which has {width} x {height}."
        )
    cv2.namedWindow(WINDOW, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
    picked = cv2.selectROI(WINDOW, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), showCrosshair=False)
    cv2.destroyWindow(WINDOW)
    if min(picked[2:]) <= 0:
        raise ConfigError("no box was drawn; draw one or give --box x,y,w,h.")
    return np.array(picked, np.float64)


def _no_window() -> str | None:
    """Why no window can be shown; none if one can."""
    gui = next(
        (line for line in cv2.getBuildInformation().splitlines() if line.strip().startswith("GUI")),
        "NONE",
    )
    if "NONE" in gui:
        return "the installed OpenCV has no windows (opencv-python has, -headless has not)"
    on_linux = sys.platform.startswith("linux")
    if on_linux and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "there is no display"
    return None

"""Where the camera looks: pan, tilt, shake and a slow zoom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class View:
    """The camera at one frame."""

    pan: float
    """How far the scene has moved to the left, pixels at zoom 1."""
    horizon: float
    """Row of the horizon, pixels."""
    zoom: float
    """Magnification relative to the first frame's scene."""


@dataclass(frozen=True)
class CameraPath:
    """Camera values for every frame, arrays of length L."""

    pan: np.ndarray
    horizon: np.ndarray
    zoom: np.ndarray
    shake: np.ndarray
    """(L, 2) movement of everything in the picture, pixels; already part of pan and horizon."""

    def view(self, frame: int) -> View:
        """The camera at one frame."""
        return View(float(self.pan[frame]), float(self.horizon[frame]), float(self.zoom[frame]))


def draw_camera(
    rng: np.random.Generator, frames: int, height: int, pan_speed: float, shake: np.ndarray
) -> CameraPath:
    """A path that follows the target with a steady pan, a swaying horizon and the given shake.

    Args:
        rng: Source of the randomness.
        frames: Length L.
        height: Picture height, pixels.
        pan_speed: Pixels a frame, positive to the right.
        shake: (L, 2) extra movement of the picture's content, pixels.
    """
    t = np.arange(frames)
    base = rng.uniform(0.3, 0.46) * height
    sway = rng.uniform(0.0, 0.02) * height * np.sin(t * rng.uniform(0.15, 0.4) + rng.uniform(0, 6))
    zoom = 1.0 + rng.uniform(-0.004, 0.004) * t
    zoom = np.clip(zoom, 0.9, 1.1)
    pan = pan_speed * t - shake[:, 0]
    return CameraPath(pan, base + sway + shake[:, 1], zoom, shake)


def draw_shake(rng: np.random.Generator, frames: int, amplitude: float) -> np.ndarray:
    """Hand shake: (L, 2) smooth random movement of about the given amplitude in pixels."""
    raw = rng.standard_normal((frames + 2, 2))
    smooth = (raw[:-2] + 2 * raw[1:-1] + raw[2:]) / 4
    return amplitude * smooth * (1.0, 0.7)

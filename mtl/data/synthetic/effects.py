"""What weather, light and optics do to a finished picture; all on float32 RGB, 0..255."""

from __future__ import annotations

import cv2
import numpy as np


def add_fog(picture: np.ndarray, colour: np.ndarray, density: float, horizon: float) -> None:
    """Mix the picture with fog, thickest at the horizon, in place.

    Args:
        picture: (H, W, 3).
        colour: (3,) RGB of the fog.
        density: Share of fog at the horizon; a little less towards the camera.
        horizon: Row of the horizon, pixels.
    """
    height = picture.shape[0]
    away = np.abs(np.arange(height, dtype=np.float32) - horizon) / height
    alpha = (density * (1.0 - 0.1 * np.clip(away, 0, 1))).astype(np.float32)[:, None, None]
    picture *= 1.0 - alpha
    picture += alpha * colour.astype(np.float32)


def change_light(picture: np.ndarray, gain: np.ndarray, lift: np.ndarray) -> None:
    """Exposure and colour of the light: value * gain + lift per channel, in place."""
    picture *= gain.astype(np.float32)
    picture += lift.astype(np.float32)


def flare_layer(height: int, width: int, x: float, y: float) -> np.ndarray:
    """Glare of a low sun shining into the lens, with rays: (H, W, 1) float32, 0..1."""
    dx = (np.arange(width, dtype=np.float32) - x)[None, :]
    dy = (np.arange(height, dtype=np.float32) - y)[:, None]
    distance = np.sqrt(dx * dx + dy * dy) / height
    rays = 0.75 + 0.25 * np.cos(6 * np.arctan2(dy, dx)) ** 2
    glare: np.ndarray = np.exp(-distance * 2.6) * rays
    return glare[..., None]


def directional_blur(picture: np.ndarray, vector: tuple[float, float]) -> np.ndarray:
    """Smear along a straight camera movement.

    Args:
        picture: (H, W, C).
        vector: Whole length of the movement in x and y, pixels.

    Returns:
        The smeared picture, same shape; the smear is centred on each point.
    """
    steps = max(2, int(np.ceil(max(abs(vector[0]), abs(vector[1])))) + 1)
    side = steps + (steps + 1) % 2 + 2
    kernel = np.zeros((side, side), dtype=np.float32)
    middle = side // 2
    for share in np.linspace(-0.5, 0.5, 4 * steps):
        kernel[round(middle + share * vector[1]), round(middle + share * vector[0])] += 1
    rows, columns = np.nonzero(kernel.sum(axis=1))[0], np.nonzero(kernel.sum(axis=0))[0]
    low_y, low_x = min(rows[0], side - 1 - rows[-1]), min(columns[0], side - 1 - columns[-1])
    kernel = kernel[low_y : side - low_y, low_x : side - low_x]
    return cv2.filter2D(picture, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)


def soften(picture: np.ndarray, sigma: float) -> np.ndarray:
    """The slight blur of a long lens at its limit."""
    return cv2.GaussianBlur(picture, (0, 0), sigma)

"""Sky with clouds and sun, and the coast on the horizon: one wide picture per sequence."""

from __future__ import annotations

import cv2
import numpy as np

from mtl.data.synthetic.camera import View
from mtl.data.synthetic.noise import tileable_noise
from mtl.data.synthetic.palette import Palette


class Sky:
    """Everything behind the horizon, drawn once and moved by the camera."""

    def __init__(
        self,
        rng: np.random.Generator,
        width: int,
        height: int,
        palette: Palette,
        sun_x: float,
        coast: str | None,
    ) -> None:
        """Draw the panorama.

        Args:
            rng: Source of the randomness.
            width: Picture width, pixels.
            height: Picture height, pixels.
            palette: Colours.
            sun_x: Place of the sun, pixels from the left border of the first frame.
            coast: "hills", "harbour" or None.
        """
        self.left = width  # the first frame's left border in the panorama
        self.horizon = round(1.1 * height)
        self.panorama = _gradient(palette, self.horizon, 3 * width)
        _add_clouds(self.panorama, rng, palette)
        _add_sun(self.panorama, sun_x + self.left, self.horizon - rng.uniform(0.3, 0.7) * height)
        if coast is not None:
            _add_coast(self.panorama, rng, palette, height, coast == "harbour")

    def paint(self, picture: np.ndarray, view: View) -> None:
        """Fill the rows above the horizon; picture (H, W, 3) float32, in place."""
        height, width = picture.shape[:2]
        rows = min(height, int(np.ceil(view.horizon)) + 1)
        if rows <= 0:
            return
        shift_x = width / 2 - view.zoom * (self.left + width / 2 + view.pan)
        shift_y = view.horizon - view.zoom * self.horizon
        matrix = np.array([[view.zoom, 0, shift_x], [0, view.zoom, shift_y]])
        picture[:rows] = cv2.warpAffine(
            self.panorama,
            matrix,
            (width, rows),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )


def _gradient(palette: Palette, rows: int, width: int) -> np.ndarray:
    share = np.linspace(0, 1, rows, dtype=np.float32)[:, None] ** 1.5
    column = np.array(palette.zenith) * (1 - share) + np.array(palette.horizon) * share
    return np.repeat(column[:, None, :].astype(np.float32), width, axis=1)


def _add_clouds(panorama: np.ndarray, rng: np.random.Generator, palette: Palette) -> None:
    rows, width = panorama.shape[:2]
    noise = tileable_noise(rng, 96, 192, wavelength=40, slope=1.7, stretch=1.0)
    noise = cv2.resize(noise, (width, rows), interpolation=cv2.INTER_LINEAR)
    cover = rng.uniform(-0.3, 1.0)
    alpha = np.clip((noise - cover) * 0.7, 0, 0.85)[..., None]
    panorama += alpha * (np.array(palette.cloud, dtype=np.float32) - panorama)


def _add_sun(panorama: np.ndarray, x: float, y: float) -> None:
    rows, width = panorama.shape[:2]
    dx = (np.arange(width, dtype=np.float32) - x)[None, :]
    dy = (np.arange(rows, dtype=np.float32) - y)[:, None]
    glow = 70.0 * np.exp(-(dx * dx + dy * dy) / (0.25 * rows) ** 2)
    panorama += glow[..., None] * np.array([1.0, 0.95, 0.8], dtype=np.float32)
    np.clip(panorama, 0, 255, out=panorama)


def _add_coast(
    panorama: np.ndarray,
    rng: np.random.Generator,
    palette: Palette,
    height: int,
    harbour: bool,
) -> None:
    rows, width = panorama.shape[:2]
    profile = tileable_noise(rng, 1, width, wavelength=width / 4, slope=1.6)[0]
    hills = np.clip(0.03 + 0.03 * profile, 0.004, 0.12) * height
    land = np.array(palette.land, dtype=np.float32)
    tint = 0.55 * land + 0.45 * np.array(palette.horizon, dtype=np.float32)
    up = rows - np.arange(rows, dtype=np.float32)[:, None]
    alpha = np.clip(hills[None, :] - up + 0.5, 0, 1)[..., None]
    panorama += alpha * (tint - panorama)
    if harbour:
        _add_buildings(panorama, rng, height)


def _add_buildings(panorama: np.ndarray, rng: np.random.Generator, height: int) -> None:
    """Warehouses, tanks and cranes along the quay."""
    rows, width = panorama.shape[:2]
    x = 0.0
    while x < width:
        w = rng.uniform(0.05, 0.14) * height
        h = rng.uniform(0.06, 0.2) * height
        tone = rng.uniform(80, 200)
        colour = tuple(float(c) for c in tone + rng.uniform(-30, 30, size=3))
        top = round(rows - h)
        cv2.rectangle(panorama, (round(x), top), (round(x + w), rows), colour, -1)
        dark = tuple(0.6 * c for c in colour)
        step = max(3, round(0.03 * height))
        for row in range(top + step // 2, rows - step, step):
            cv2.line(panorama, (round(x) + 2, row), (round(x + w) - 2, row), dark, 1)
        if rng.random() < 0.3:
            _add_crane(panorama, x + w / 2, rng.uniform(0.2, 0.34) * height, height)
        x += w * rng.uniform(1.0, 1.4)


def _add_crane(panorama: np.ndarray, x: float, top: float, height: int) -> None:
    rows = panorama.shape[0]
    red = (190.0, 70.0, 50.0)
    thick = max(1, round(0.012 * height))
    reach = 0.16 * height
    y = round(rows - top)
    for dx in (-0.025, 0.025):
        foot = round(x + dx * height)
        cv2.line(panorama, (foot, rows), (foot, y), red, thick, cv2.LINE_AA)
    start, end = round(x - 0.5 * reach), round(x + reach)
    cv2.line(panorama, (start, y), (end, y), red, thick, cv2.LINE_AA)
    cv2.line(panorama, (round(x), round(y - 0.3 * reach)), (end, y), red, 1, cv2.LINE_AA)

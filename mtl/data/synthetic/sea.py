"""Moving sea in perspective: waves, whitecaps and sun glitter."""

from __future__ import annotations

import cv2
import numpy as np

from mtl.data.synthetic.camera import View
from mtl.data.synthetic.noise import tileable_noise
from mtl.data.synthetic.palette import Palette

TEXTURE = 256
"""Side of the wave texture, texels."""


class Sea:
    """A sea state; two wave trains drift over one repeating texture."""

    def __init__(
        self,
        rng: np.random.Generator,
        width: int,
        height: int,
        palette: Palette,
        sun_x: float,
        roughness: float,
    ) -> None:
        """Draw the texture.

        Args:
            rng: Source of the randomness.
            width: Picture width, pixels.
            height: Picture height, pixels.
            palette: Colours.
            sun_x: Column of the sun in the first frame, pixels.
            roughness: 0 (calm) to 1 (rough).
        """
        swell = tileable_noise(rng, TEXTURE, TEXTURE, wavelength=36, slope=1.6, stretch=2.2)
        ripple = tileable_noise(rng, TEXTURE, TEXTURE, wavelength=14, slope=1.0, stretch=2.0)
        self.texture = np.stack([swell, ripple], axis=2)
        self.palette = palette
        self.sun_x = sun_x
        self.amplitude = 5.0 + 13.0 * roughness
        self.whitecap_level = 3.2 - 1.3 * roughness
        self.glitter = float(rng.uniform(0.0, 1.0)) * (rng.random() < 0.6)
        self.drift = rng.uniform(-2.5, 2.5, size=4)
        self.unit = height / 192.0
        self.columns = (np.arange(width, dtype=np.float32) - width / 2) / self.unit

    def paint(self, picture: np.ndarray, view: View, frame: int) -> None:
        """Fill the rows below the horizon; picture (H, W, 3) float32, in place."""
        height = picture.shape[0]
        first = max(0, int(np.ceil(view.horizon)))
        if first >= height:
            return
        below = (np.arange(first, height, dtype=np.float32) - view.horizon) / self.unit / view.zoom
        depth = below + 18.0
        near = np.clip(below / 130.0, 0, 1)[:, None]
        x = self.columns / view.zoom + view.pan / self.unit
        u = x[None, :] * (110.0 / depth)[:, None]
        v = np.broadcast_to((120.0 * np.log(depth))[:, None], u.shape)
        du, dv, eu, ev = (float(d) * frame for d in self.drift)
        one = cv2.remap(self.texture, u + du, v + dv, cv2.INTER_LINEAR, None, cv2.BORDER_WRAP)
        two = cv2.remap(
            self.texture, 0.63 * u + eu, 0.71 * v + ev, cv2.INTER_LINEAR, None, cv2.BORDER_WRAP
        )
        waves = one[..., 0] + two[..., 0]
        fade = 0.25 + 0.75 * near
        height_field = (waves + 0.6 * one[..., 1]) * (fade * (self.amplitude / 130.0))
        far, close = (
            np.array(c, dtype=np.float32) for c in (self.palette.sea_far, self.palette.sea_near)
        )
        base = far + (close - far) * np.sqrt(near)
        glint = np.array(self.palette.glint, dtype=np.float32)
        area = picture[first:]
        np.multiply(height_field[..., None], (glint * 0.6)[None, None], out=area)
        area += base[:, None, :]
        foam = np.clip((waves + 0.5 * two[..., 1] - self.whitecap_level) * 0.8, 0, 0.8) * fade
        if self.glitter > 0:
            spread = (
                self.columns - (self.sun_x - picture.shape[1] / 2 - view.pan) / self.unit
            ) / 40.0
            beam = self.glitter * np.exp(-spread * spread)[None, :]
            foam = np.maximum(foam, np.clip(one[..., 1] + two[..., 1] - 1.1, 0, 0.9) * beam)
        area += foam[..., None] * (glint - area)

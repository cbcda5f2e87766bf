"""Sprites that are not vessels: piles of a pier, and foam at the waterline."""

from __future__ import annotations

import numpy as np

from mtl.data.synthetic.noise import tileable_noise
from mtl.data.synthetic.sprite import Sprite, pyramid


def draw_piles(
    rng: np.random.Generator, count: int, spacing: float, thickness: float, height: float
) -> Sprite:
    """A row of wooden piles under a beam, the first at the anchor, the others to its right.

    Args:
        rng: Source of the randomness.
        count: Number of piles.
        spacing: Distance between piles, units.
        thickness: Diameter of a pile, units.
        height: Height of the beam over the anchor, units; piles reach half as far below it.

    Returns:
        A sprite of 64 pixels per unit.
    """
    scale, margin = 64.0, 4
    width = (count - 1) * spacing + thickness
    depth = 0.5 * height
    columns = int(np.ceil(width * scale)) + 2 * margin
    rows = int(np.ceil((height + depth) * scale)) + 2 * margin
    picture = np.zeros((rows, columns, 4), dtype=np.float32)
    tone = np.array((112, 84, 60) if rng.random() < 0.6 else (120, 122, 124), dtype=np.float32)
    tone *= float(rng.uniform(0.6, 1.15))
    grain = 1.0 + 0.08 * rng.standard_normal((rows, columns)).astype(np.float32)
    x = np.arange(columns, dtype=np.float32) + 0.5 - margin
    for i in range(count):
        centre = (i * spacing + thickness / 2) * scale
        across = (x - centre) / (thickness / 2 * scale)
        inside = np.abs(across) <= 1
        shade = 0.55 + 0.6 * np.sqrt(np.clip(1 - (across[inside] + 0.25) ** 2, 0, 1))
        top = margin + int(rng.uniform(0.0, 0.04) * scale)
        block = picture[top : rows - margin, inside]
        block[..., :3] = shade[None, :, None] * tone * grain[top : rows - margin, inside, None]
        block[..., 3] = 1.0
        picture[top : rows - margin, inside] = block
    if count > 1:
        beam = slice(margin + int(0.05 * scale), margin + int((0.05 + 0.45 * thickness) * scale))
        picture[beam, margin : columns - margin, :3] = tone * 0.9
        picture[beam, margin : columns - margin, 3] = 1.0
    half = thickness / 2
    outline = np.array(
        [[-half, -height], [width - half, -height], [width - half, depth], [-half, depth]]
    )
    origin = (margin + half * scale, margin + height * scale)
    return Sprite(pyramid(picture), scale, origin, outline)


def draw_foam(rng: np.random.Generator, length: float, beam: float, wake: float) -> Sprite:
    """White water of a vessel heading right: a bow wave and a wake astern.

    Args:
        rng: Source of the randomness.
        length: Length of the vessel, units.
        beam: Height of the foam band, units.
        wake: How far the wake reaches astern, units.

    Returns:
        A sprite anchored amidships at the waterline.
    """
    scale = 64.0
    left, right = -0.5 * length - wake, 0.5 * length + 0.03
    rows, columns = int(2 * beam * scale) + 4, int((right - left) * scale) + 4
    x = left + (np.arange(columns, dtype=np.float32) - 2) / scale
    y = (np.arange(rows, dtype=np.float32) - rows / 2) / scale
    astern = np.clip((-0.45 * length - x) / max(wake, 1e-6), 0, 1)
    ahead = np.clip((x - 0.2 * length) / (0.3 * length), 0, 1)
    spread = beam * (0.25 + 0.6 * astern + 0.35 * ahead)
    strength = np.where(x < -0.45 * length, 0.95 * (1 - astern) ** 0.7, 0.45 + 0.5 * ahead)
    strength = strength * np.clip((right - x) * 12, 0, 1)
    profile = np.exp(-((y[:, None] / spread[None, :]) ** 2) * 1.5)
    noise = tileable_noise(rng, rows, columns, wavelength=10, slope=1.2, stretch=1.8)
    alpha = np.clip(profile * strength[None, :] * (1.0 + 0.45 * noise), 0, 0.95)
    picture = np.empty((rows, columns, 4), dtype=np.float32)
    picture[..., :3] = alpha[..., None] * np.array((240, 246, 248), dtype=np.float32)
    picture[..., 3] = alpha
    outline = np.array([[left, -beam], [right, -beam], [right, beam], [left, beam]])
    return Sprite(pyramid(picture), scale, (2 - left * scale, rows / 2 + 0.5), outline)

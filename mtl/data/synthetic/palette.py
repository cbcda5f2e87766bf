"""Colours of a sky and a sea at a time of day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Palette:
    """Colours (RGB 0..255) of a scene."""

    zenith: Colour
    horizon: Colour
    cloud: Colour
    sea_far: Colour
    sea_near: Colour
    glint: Colour
    land: Colour


PALETTES: tuple[Palette, ...] = (
    Palette(  # noon
        (70, 130, 205), (190, 216, 235), (250, 250, 250),
        (110, 150, 175), (28, 84, 120), (235, 245, 250), (92, 112, 96),
    ),
    Palette(  # tropics
        (60, 150, 220), (205, 232, 240), (255, 255, 255),
        (120, 190, 195), (24, 130, 140), (240, 255, 250), (96, 132, 84),
    ),
    Palette(  # overcast
        (150, 160, 170), (205, 210, 213), (225, 228, 230),
        (140, 152, 158), (74, 92, 100), (215, 222, 226), (104, 112, 112),
    ),
    Palette(  # late afternoon
        (108, 136, 184), (238, 214, 178), (252, 236, 214),
        (170, 164, 150), (52, 84, 104), (255, 236, 200), (112, 100, 92),
    ),
    Palette(  # northern green sea
        (110, 150, 190), (205, 220, 222), (244, 246, 246),
        (124, 156, 152), (44, 96, 90), (228, 240, 236), (88, 104, 88),
    ),
)  # fmt: skip


def draw_palette(rng: np.random.Generator) -> Palette:
    """One of the palettes, every colour moved a little."""
    base = PALETTES[int(rng.integers(len(PALETTES)))]
    gain = rng.uniform(0.93, 1.06)

    def vary(colour: Colour) -> Colour:
        moved = np.clip(np.array(colour) * gain + rng.uniform(-9, 9, size=3), 0, 255)
        return (float(moved[0]), float(moved[1]), float(moved[2]))

    return Palette(
        vary(base.zenith), vary(base.horizon), vary(base.cloud), vary(base.sea_far),
        vary(base.sea_near), base.glint, vary(base.land),
    )  # fmt: skip

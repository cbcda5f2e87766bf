"""Small solids that vessels are put together from: hulls, blocks, prisms and sails.

Vessel axes: x forward, y to port, z up from the waterline; the unit is about one vessel length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

Colour = tuple[float, float, float]

HULL, DECK, UPPER, TOP = 0, 1, 2, 3
"""Layers of parts; a later layer is drawn over an earlier one."""


@dataclass(frozen=True)
class Face:
    """A flat polygon of one colour."""

    points: np.ndarray
    """(N, 3) corners in order."""
    colour: Colour
    """RGB, 0..255."""
    two_sided: bool = False
    """Seen from both sides (a sail), not culled."""
    glows: bool = False
    """Shown unshaded (a lit window)."""


@dataclass(frozen=True)
class Part:
    """Faces that are drawn together, those turned away from the camera left out."""

    layer: int
    faces: tuple[Face, ...]
    centre: np.ndarray
    """(3,) point all outward normals point away from; its depth orders parts within a layer."""


@dataclass
class Solid:
    """A vessel under construction."""

    parts: list[Part] = field(default_factory=list)
    lamps: list[tuple[float, float, float]] = field(default_factory=list)
    """Positions of deck lights, drawn when the vessel is lit."""

    def add(self, layer: int, faces: list[Face]) -> None:
        """Add one convex part."""
        centre = np.mean(np.concatenate([face.points for face in faces]), axis=0)
        self.parts.append(Part(layer, tuple(faces), centre))

    def hull(
        self,
        length: float,
        beam: float,
        height: float,
        colour: Colour,
        port_colour: Colour,
        boot_colour: Colour,
        deck_colour: Colour,
        bow_rise: float = 0.4,
        stern_rise: float = 0.0,
    ) -> None:
        """Add a hull of pointed bow and flat stern whose two sides may differ in colour."""
        stations = np.array([[-0.5, 0.8], [-0.35, 1.0], [0.2, 1.0], [0.37, 0.62], [0.5, 0.0]])
        x, half = stations[:, 0] * length, stations[:, 1] * beam / 2
        rise = np.where(x > 0, bow_rise * (2 * x / length) ** 2, stern_rise * (2 * x / length) ** 2)
        top = height * (1 + rise)
        faces: list[Face] = []
        for side, paint in ((-1.0, colour), (1.0, port_colour)):
            low = np.stack([x * 0.93, side * half * 0.86, np.zeros_like(x)], axis=1)
            deck = np.stack([x, side * half, top], axis=1)
            middle = low + 0.25 * (deck - low)
            for i in range(len(x) - 1):
                for a, b, tint in ((low, middle, boot_colour), (middle, deck, paint)):
                    faces.append(Face(np.stack([a[i], a[i + 1], b[i + 1], b[i]]), tint))
        stern = np.array(
            [
                [x[0] * 0.93, -half[0] * 0.86, 0],
                [x[0] * 0.93, half[0] * 0.86, 0],
                [x[0], half[0], top[0]],
                [x[0], -half[0], top[0]],
            ]
        )
        faces.append(Face(stern, colour))
        right = np.stack([x, -half, top], axis=1)
        left = np.stack([x, half, top], axis=1)
        faces.append(Face(np.concatenate([right, left[::-1]]), deck_colour))
        self.add(HULL, faces)

    def block(
        self,
        layer: int,
        x: tuple[float, float],
        y: tuple[float, float],
        z: tuple[float, float],
        colour: Colour,
        windows: int = 0,
        window_colour: Colour = (40, 50, 60),
        lit: bool = False,
    ) -> None:
        """Add a box, with rows of windows round it."""
        (x0, x1), (y0, y1), (z0, z1) = x, y, z
        ring = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
        faces = []
        for i in range(4):
            a, b = ring[i], ring[(i + 1) % 4]
            faces.append(Face(_wall(a, b, z0, z1), colour))
            for row in range(windows):
                low = z0 + (row + 0.4) * (z1 - z0) / windows
                high = z0 + (row + 0.8) * (z1 - z0) / windows
                inner_a, inner_b = a + 0.1 * (b - a), b - 0.1 * (b - a)
                faces.append(Face(_wall(inner_a, inner_b, low, high), window_colour, glows=lit))
        faces.append(Face(np.column_stack([ring, np.full(4, z1)]), colour))
        self.add(layer, faces)

    def prism(
        self,
        layer: int,
        at: tuple[float, float],
        z: tuple[float, float],
        radii: tuple[float, float],
        colour: Colour,
        sides: int = 6,
    ) -> None:
        """Add an upright prism or cone (mast, funnel, buoy body)."""
        angles = np.arange(sides) * (2 * np.pi / sides) + np.pi / sides
        circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        low = np.column_stack([np.array(at) + radii[0] * circle, np.full(sides, z[0])])
        high = np.column_stack([np.array(at) + radii[1] * circle, np.full(sides, z[1])])
        faces = [
            Face(np.stack([low[i], low[j], high[j], high[i]]), colour)
            for i, j in ((i, (i + 1) % sides) for i in range(sides))
        ]
        faces.append(Face(high, colour))
        self.add(layer, faces)

    def sheet(self, layer: int, points: Sequence[Sequence[float]], colour: Colour) -> None:
        """Add a thin surface seen from both sides (sail, net, boom)."""
        self.add(layer, [Face(np.asarray(points, dtype=np.float64), colour, two_sided=True)])


def _wall(a: np.ndarray, b: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.array([[a[0], a[1], low], [b[0], b[1], low], [b[0], b[1], high], [a[0], a[1], high]])

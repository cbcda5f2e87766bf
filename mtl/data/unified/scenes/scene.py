"""One rendered picture of the sea and what is true in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtl.data.synthetic.camera import View
from mtl.data.synthetic.palette import draw_palette
from mtl.data.synthetic.sea import Sea
from mtl.data.synthetic.sky import Sky
from mtl.data.synthetic.sprite import Placement, Sprite, box_of, draw_solid, outline_of, paste
from mtl.data.synthetic.vessels import build_vessel, draw_look

KINDS = ("buoy", "container_ship", "sailing_boat", "speed_boat")
"""What is detected and told apart, in the order of the class numbers."""

SEGMENTS = ("background", "buoy", "vessel", "water")
"""Classes of the masks by value; the background is sky and coast."""

MOST_OBJECTS = 4
MOST_COVERED = 0.25
"""Largest share of an object's box that a later one may cover."""
_BUOY, _VESSEL, _WATER = 1, 2, 3


@dataclass(frozen=True)
class Scene:
    """A picture and what is true in it."""

    image: np.ndarray
    """(S, S, 3) uint8 RGB."""
    boxes_xywh: np.ndarray
    """(M, 4) float64, pixels, clipped to the picture; parts hidden by others are included."""
    kinds: np.ndarray
    """(M,) int64, places in `KINDS`."""
    mask: np.ndarray
    """(S, S) uint8, places in `SEGMENTS`."""


class Backdrop:
    """A weather: sky, coast and sea, drawn once and seen from many places."""

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        palette = draw_palette(rng)
        sun_x = float(rng.uniform(0, size))
        coast = (None, "hills", "harbour")[int(rng.integers(3))]
        self.size = size
        self.sky = Sky(rng, size, size, palette, sun_x, coast)
        self.sea = Sea(rng, size, size, palette, sun_x, float(rng.uniform(0, 1)))
        light = np.array([np.sign(sun_x - size / 2) * 0.6, 0.65, -0.5])
        self.light = light / np.linalg.norm(light)

    def paint(self, rng: np.random.Generator) -> tuple[np.ndarray, float]:
        """(S, S, 3) float32 picture without objects, and the row of its horizon."""
        horizon = self.size * float(rng.uniform(0.28, 0.45))
        view = View(pan=float(rng.uniform(-0.9, 0.9)) * self.size, horizon=horizon, zoom=1.0)
        picture = np.empty((self.size, self.size, 3), dtype=np.float32)
        self.sky.paint(picture, view)
        self.sea.paint(picture, view, int(rng.integers(100)))
        return picture, horizon


def wide_scene(backdrop: Backdrop, rng: np.random.Generator) -> Scene:
    """Up to four objects at different distances."""
    stage, size = _Stage(backdrop, rng), backdrop.size
    wanted = int(rng.integers(1, MOST_OBJECTS + 1))
    nearness = np.sort(rng.uniform(0.0, 1.0, size=wanted))  # far ones are painted first
    for near in nearness:
        kind = int(rng.integers(len(KINDS)))
        side = size * (0.17 + 0.24 * near) * float(rng.uniform(0.9, 1.1))
        foot = stage.horizon + 0.03 * size + near * (0.93 * size - stage.horizon)
        stage.add(kind, side, rng.uniform(0.1, 0.9, size=12) * size, foot)
    return stage.finish()


def close_scene(backdrop: Backdrop, kind: int, rng: np.random.Generator) -> Scene:
    """One object that fills much of the picture."""
    stage, size = _Stage(backdrop, rng), backdrop.size
    side = size * float(rng.uniform(0.4, 0.62))
    column = size * rng.uniform(0.42, 0.58, size=1)
    stage.add(kind, side, column, size * float(rng.uniform(0.7, 0.82)))
    return stage.finish()


class _Stage:
    """A picture that objects are added to, far ones first."""

    def __init__(self, backdrop: Backdrop, rng: np.random.Generator) -> None:
        self.size, self.rng, self.light = backdrop.size, rng, backdrop.light
        self.picture, self.horizon = backdrop.paint(rng)
        self.mask = np.zeros((self.size, self.size), dtype=np.uint8)
        self.mask[int(np.ceil(self.horizon)) :] = _WATER
        self.boxes: list[np.ndarray] = []
        self.kinds: list[int] = []

    def add(self, kind: int, side: float, columns: np.ndarray, y: float) -> None:
        """Paint an object at the first column where it covers little of the others, or nowhere.

        Args:
            kind: place in `KINDS`.
            side: square root of the area of its outline's box, pixels.
            columns: (N,) columns of its anchor to try, pixels.
            y: row of its waterline, pixels.
        """
        rng = self.rng
        solid = build_vessel(draw_look(rng, KINDS[kind]))
        yaw = float(rng.uniform(-0.7, 0.7)) + float(rng.integers(2)) * np.pi
        roll = float(rng.uniform(-0.06, 0.06))
        outline = outline_of(solid, yaw)
        scale = side / float(np.sqrt(np.prod(outline.max(axis=0) - outline.min(axis=0))))
        sprite = draw_solid(solid, yaw, scale, self.light)
        for x in columns.tolist():
            at = Placement(x, y, scale, roll)
            box = _clip(box_of(sprite, at), self.size)
            if min(box[2:]) >= 4 and all(_covered(b, box) <= MOST_COVERED for b in self.boxes):
                self._paste(sprite, at, kind, box)
                return

    def _paste(self, sprite: Sprite, at: Placement, kind: int, box_xywh: np.ndarray) -> None:
        paste(self.picture, sprite, Placement(at.x, at.y, at.scale, -at.roll, 1.0, -0.35), 0.22)
        touched = paste(self.picture, sprite, at)
        assert touched is not None  # its box has area inside the picture
        area, alpha = touched
        self.mask[area][alpha > 0.5] = _BUOY if KINDS[kind] == "buoy" else _VESSEL
        self.boxes.append(box_xywh)
        self.kinds.append(kind)

    def finish(self) -> Scene:
        grain = 1.6 * self.rng.standard_normal((self.size, self.size, 1))
        picture = np.clip(self.picture + grain + 0.5, 0, 255).astype(np.uint8)
        return Scene(
            image=picture,
            boxes_xywh=np.array(self.boxes, dtype=np.float64).reshape(-1, 4),
            kinds=np.array(self.kinds, dtype=np.int64),
            mask=self.mask,
        )


def _clip(box_xywh: np.ndarray, size: int) -> np.ndarray:
    low = np.clip(box_xywh[:2], 0, size)
    return np.concatenate([low, np.clip(box_xywh[:2] + box_xywh[2:], 0, size) - low])


def _covered(box_xywh: np.ndarray, by_xywh: np.ndarray) -> float:
    """Share of a box that another one covers."""
    low = np.maximum(box_xywh[:2], by_xywh[:2])
    high = np.minimum(box_xywh[:2] + box_xywh[2:], by_xywh[:2] + by_xywh[2:])
    return float(np.prod(np.maximum(high - low, 0)) / np.prod(box_xywh[2:]))

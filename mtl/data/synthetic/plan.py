"""What the script of a sequence says; see `script` for how it is drawn up."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mtl.data.synthetic.camera import CameraPath
from mtl.data.synthetic.solids import Solid
from mtl.data.synthetic.sprite import Placement, outline_of
from mtl.data.synthetic.vessels import Look


@dataclass
class Extra:
    """Another vessel in the picture."""

    look: Look
    yaw: float
    x: np.ndarray
    """(L,) middle of the vessel, pixels."""
    y: np.ndarray
    """(L,) waterline, pixels."""
    side: np.ndarray
    """(L,) square root of its box area, pixels."""
    in_front: bool = False
    """Drawn over the target."""


@dataclass
class Piles:
    """A row of piles in front of the target."""

    x: np.ndarray
    """(L,) first pile, pixels."""
    y: np.ndarray
    """(L,) where the row stands, pixels."""
    unit: float
    """Pixels per unit."""
    count: int
    spacing: float
    thickness: float
    height: float
    """Units."""


@dataclass
class Plan:
    """Everything about a sequence but its pixels; arrays have one entry a frame."""

    condition: str
    look: Look
    kind: str
    width: int
    height: int
    camera: CameraPath
    yaw: np.ndarray
    side: np.ndarray
    """Square root of the target's whole box area, pixels."""
    x: np.ndarray
    """Middle of the target's box, pixels."""
    drop: np.ndarray
    """Waterline under the horizon, pixels."""
    roll: np.ndarray
    active: np.ndarray
    """Whether the cause works; the final word for conditions not told by boxes or coverage."""
    facing: int
    speed: float
    """0 (still) to 1 (fast), for the foam."""
    variant: int
    coast: str | None
    fog: np.ndarray
    gain: np.ndarray
    """(L, 3)."""
    lift: np.ndarray
    """(L, 3)."""
    flare: np.ndarray
    blur: np.ndarray
    """(L, 2) camera or target movement during the exposure, pixels."""
    blurs_all: bool
    keep_inside: bool = True
    """Hold the box inside the picture (all but partial visibility)."""
    cut: tuple[str, np.ndarray] | None = None
    """Border (left, right, top, bottom) and (L,) share of the box beyond it, negative inside."""
    later_look: Look | None = None
    """How the target looks in active frames, where that differs."""
    softness: float = 0.0
    extras: list[Extra] = field(default_factory=list)
    piles: Piles | None = None
    placements: list[Placement] = field(default_factory=list)
    boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))
    """(L, 4) xywh of the part of the target inside the picture, rounded as in the files."""


def onset(frames: int, rng: np.random.Generator) -> int:
    """First frame in which a cause works: about a quarter into the sequence, never frame 0."""
    quarter = round(0.23 * frames)
    return max(1, quarter + int(rng.integers(-1, 2)) * (frames >= 12))


def aspect_of(solid: Solid, yaw: float) -> float:
    """Width over height of a vessel seen under a heading."""
    outline = outline_of(solid, yaw)
    w, h = outline.max(axis=0) - outline.min(axis=0)
    return float(w / h)


def add_vessel(
    plan: Plan,
    rng: np.random.Generator,
    look: Look,
    x: np.ndarray,
    rise: float,
    size: float,
    in_front: bool = False,
) -> Extra:
    """Add a vessel beside the target.

    Args:
        plan: Script to add to.
        rng: Source of the randomness.
        look: The vessel.
        x: (L,) its middle, pixels.
        rise: How far its waterline is above the target's, pixels (negative: nearer the camera).
        size: Square root of its box area over the target's in the first frame.
        in_front: Draw it over the target.
    """
    yaw = float(rng.choice((0.0, np.pi))) + float(rng.uniform(-0.3, 0.3))
    waterline = plan.camera.horizon + np.maximum(plan.drop - rise, 2.0)
    side = np.full(len(x), size * plan.side[0])
    extra = Extra(look, yaw, x, waterline, side, in_front)
    plan.extras.append(extra)
    return extra

"""From a solid to pixels: projection, antialiased drawing, pasting into a picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mtl.data.synthetic.solids import Part, Solid

ELEVATION = np.deg2rad(9.0)
"""How far the camera looks down on a vessel, radians."""
SUPERSAMPLING = 3


@dataclass(frozen=True)
class Sprite:
    """A small transparent picture with an anchor, kept at several sizes."""

    levels: tuple[np.ndarray, ...]
    """(h, w, 4) float32, premultiplied RGB 0..255, alpha 0..1; each half the last."""
    pixels_per_unit: float
    """Scale of the first level."""
    origin: tuple[float, float]
    """Anchor in the first level, pixels."""
    outline: np.ndarray
    """(N, 2) convex outline round the anchor, units, x right and y down."""


@dataclass(frozen=True)
class Placement:
    """Where and how a sprite stands in a picture."""

    x: float
    """Anchor, pixels from the left border."""
    y: float
    """Anchor (waterline), pixels from the upper border."""
    scale: float
    """Pixels of the picture per unit."""
    roll: float = 0.0
    """Rotation in the picture, radians, clockwise."""
    stretch_x: float = 1.0
    stretch_y: float = 1.0

    @property
    def matrix(self) -> np.ndarray:
        """(2, 2) from units (x right, y down) to pixels."""
        c, s = np.cos(self.roll), np.sin(self.roll)
        stretch = np.array([self.stretch_x, self.stretch_y]) * self.scale
        return np.array([[c, -s], [s, c]]) * stretch[None, :]


def box_of(sprite: Sprite, at: Placement) -> np.ndarray:
    """Box round the outline of a placed sprite, not clipped: (4,) xywh in pixels."""
    points = sprite.outline @ at.matrix.T
    low, high = points.min(axis=0), points.max(axis=0)
    return np.array([at.x + low[0], at.y + low[1], high[0] - low[0], high[1] - low[1]])


def project(points: np.ndarray, yaw: float) -> np.ndarray:
    """Parallel projection: (N, 3) vessel axes to (N, 3) right, up, depth (larger is farther)."""
    c, s = np.cos(yaw), np.sin(yaw)
    right = points[:, 0] * c - points[:, 1] * s
    depth = points[:, 0] * s + points[:, 1] * c
    up = points[:, 2] * np.cos(ELEVATION) + depth * np.sin(ELEVATION)
    return np.stack([right, up, depth], axis=1)


def outline_of(solid: Solid, yaw: float) -> np.ndarray:
    """Convex outline of a solid seen under a heading: (N, 2) units, x right and y down."""
    points = np.concatenate([face.points for part in solid.parts for face in part.faces])
    flat = project(points, yaw)[:, :2] * (1, -1)
    return cv2.convexHull(flat.astype(np.float32)).reshape(-1, 2).astype(np.float64)


def edges_of(solid: Solid, yaw: float) -> np.ndarray:
    """Edges of all faces seen under a heading: (M, 2, 2) units, x right and y down."""
    faces = [face.points for part in solid.parts for face in part.faces]
    starts = np.concatenate(faces)
    ends = np.concatenate([np.roll(points, -1, axis=0) for points in faces])
    flat = [project(points, yaw)[:, :2] * (1, -1) for points in (starts, ends)]
    return np.stack(flat, axis=1)


def visible_box(edges: np.ndarray, at: Placement, width: int, height: int) -> np.ndarray:
    """Box round what is inside the picture of the polygons with these edges.

    Args:
        edges: (M, 2, 2) from `edges_of`.
        at: Where the solid stands.
        width: Picture width, pixels.
        height: Picture height, pixels.

    Returns:
        (4,) xywh in pixels; zeros if nothing is inside.
    """
    segments = edges @ at.matrix.T + (at.x, at.y)
    start, step = segments[:, 0], segments[:, 1] - segments[:, 0]
    # Liang-Barsky: the parameters at which each segment enters and leaves the picture
    enter, leave = np.zeros(len(start)), np.ones(len(start))
    for axis, size in ((0, width), (1, height)):
        moving = np.abs(step[:, axis]) > 1e-12
        divisor = np.where(moving, step[:, axis], 1.0)
        a, b = -start[:, axis] / divisor, (size - start[:, axis]) / divisor
        inside = (start[:, axis] >= 0) & (start[:, axis] <= size)
        enter = np.where(moving, np.maximum(enter, np.minimum(a, b)), np.where(inside, enter, 2.0))
        leave = np.where(moving, np.minimum(leave, np.maximum(a, b)), leave)
    kept = enter <= leave
    if not kept.any():
        return np.zeros(4)
    points = np.concatenate([start[kept] + step[kept] * t[kept, None] for t in (enter, leave)])
    low, high = points.min(axis=0), points.max(axis=0)
    return np.array([low[0], low[1], high[0] - low[0], high[1] - low[1]])


def draw_solid(
    solid: Solid, yaw: float, pixels_per_unit: float, light: np.ndarray, lit: bool = False
) -> Sprite:
    """Draw a solid seen from the side.

    Args:
        solid: What to draw.
        yaw: Heading, radians; 0 shows the starboard side with the bow to the right.
        pixels_per_unit: Size of the first level.
        light: (3,) unit vector to the sun in screen axes: right, up, away from the camera.
        lit: Draw the deck lights.

    Returns:
        The sprite, anchored at the waterline under the middle of the vessel.
    """
    outline = outline_of(solid, yaw)
    low, high = outline.min(axis=0), outline.max(axis=0)
    margin = 3
    size = np.ceil((high - low) * pixels_per_unit).astype(int) + 2 * margin
    origin = margin - low * pixels_per_unit
    scale = pixels_per_unit * SUPERSAMPLING
    big = np.zeros((int(size[1]) * SUPERSAMPLING, int(size[0]) * SUPERSAMPLING, 4), np.uint8)

    def to_pixels(points: np.ndarray) -> np.ndarray:
        flat = project(points, yaw)[:, :2] * (1, -1)
        return np.asarray(flat * scale + origin * SUPERSAMPLING - 0.5)

    for part in _back_to_front(solid, yaw):
        for face in part.faces:
            shade = (
                1.0 if face.glows else _shade(face.points, part.centre, face.two_sided, yaw, light)
            )
            if shade <= 0.0:
                continue
            colour = (*(min(255.0, c * shade) for c in face.colour), 255.0)
            corners = np.round(to_pixels(face.points) * 16).astype(np.int32)
            cv2.fillPoly(big, [corners], colour, cv2.LINE_8, 4)
    if lit:
        radius = max(1, round(0.03 * scale))
        for x, y in to_pixels(np.asarray(solid.lamps, dtype=np.float64)):
            y = max(
                y, margin * SUPERSAMPLING + radius
            )  # not above the vessel, so not above its box
            cv2.circle(big, (round(x), round(y)), radius, (255, 246, 200, 255), -1)
    small = cv2.resize(big, (int(size[0]), int(size[1])), interpolation=cv2.INTER_AREA)
    first = small.astype(np.float32)
    first[..., 3] /= 255.0
    return Sprite(pyramid(first), pixels_per_unit, (float(origin[0]), float(origin[1])), outline)


def pyramid(first: np.ndarray) -> tuple[np.ndarray, ...]:
    """The picture itself and halves of it, down to about eight pixels."""
    levels = [first]
    while min(levels[-1].shape[:2]) >= 16 and len(levels) < 4:
        h, w = levels[-1].shape[:2]
        levels.append(cv2.resize(levels[-1], (w // 2, h // 2), interpolation=cv2.INTER_AREA))
    return tuple(levels)


def _back_to_front(solid: Solid, yaw: float) -> list[Part]:
    return sorted(
        solid.parts, key=lambda part: (part.layer, -project(part.centre[None], yaw)[0, 2])
    )


def _shade(
    points: np.ndarray, centre: np.ndarray, two_sided: bool, yaw: float, light: np.ndarray
) -> float:
    """Lambert shade of a face; 0 if it is turned away from the camera."""
    a, b = points[1] - points[0], points[2] - points[0]
    normal = np.array(  # np.cross is many times slower on single vectors
        [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    )
    length = float(np.sqrt(normal @ normal))
    if length < 1e-12:
        return 0.0
    normal = normal / length
    if not two_sided and normal @ (points.mean(axis=0) - centre) < 0:
        normal = -normal
    c, s = np.cos(yaw), np.sin(yaw)
    right = normal[0] * c - normal[1] * s
    away = normal[0] * s + normal[1] * c
    to_camera = -away * np.cos(ELEVATION) + normal[2] * np.sin(ELEVATION)
    if two_sided and to_camera < 0:
        right, away, up = -right, -away, -normal[2]
    else:
        up = normal[2]
        if to_camera <= 0:
            return 0.0
    return 0.6 + 0.48 * max(0.0, float(right * light[0] + up * light[1] + away * light[2]))


def paste(
    picture: np.ndarray, sprite: Sprite, at: Placement, opacity: float = 1.0
) -> tuple[tuple[slice, slice], np.ndarray] | None:
    """Blend a sprite into a picture, in place.

    Args:
        picture: (H, W, 3) float32 RGB, 0..255.
        sprite: What to paste.
        at: Where.
        opacity: Factor on the sprite's alpha.

    Returns:
        The touched rows and columns and the (h, w) alpha there, or None if all is outside.
    """
    height, width = picture.shape[:2]
    x, y, w, h = box_of(sprite, at)
    x0, y0 = max(0, int(x) - 2), max(0, int(y) - 2)
    x1, y1 = min(width, int(x + w) + 3), min(height, int(y + h) + 3)
    if x1 <= x0 or y1 <= y0:
        return None
    ratio = at.scale * max(abs(at.stretch_x), abs(at.stretch_y)) / sprite.pixels_per_unit
    level = min(len(sprite.levels) - 1, max(0, int(np.floor(-np.log2(max(ratio, 1e-6)) + 0.3))))
    source = sprite.levels[level]
    shrink = np.array(sprite.levels[0].shape[1::-1]) / source.shape[1::-1]
    # index coordinates of a pixel are its centre, hence the halves
    linear = at.matrix * shrink[None, :] / sprite.pixels_per_unit
    origin = np.array(sprite.origin) / shrink - 0.5
    shift = np.array([at.x - x0 - 0.5, at.y - y0 - 0.5]) - linear @ origin
    warped = cv2.warpAffine(
        source, np.column_stack([linear, shift]), (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR
    )
    if opacity != 1.0:
        warped *= np.float32(opacity)
    area = (slice(y0, y1), slice(x0, x1))
    alpha = warped[..., 3]
    target = picture[area]
    target *= 1.0 - alpha[..., None]
    target += warped[..., :3]
    return area, alpha

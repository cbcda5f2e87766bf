"""Rendering of one sequence."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mtl.conditions import CONDITIONS
from mtl.config.schema import SyntheticConfig
from mtl.data.computed_conditions import cut_by_image
from mtl.data.synthetic import effects
from mtl.data.synthetic.foreground import draw_foam, draw_piles
from mtl.data.synthetic.palette import draw_palette
from mtl.data.synthetic.plan import Extra, Plan
from mtl.data.synthetic.script import check_config, computed_flags, plan_sequence
from mtl.data.synthetic.sea import Sea
from mtl.data.synthetic.severity import severity_of
from mtl.data.synthetic.sky import Sky
from mtl.data.synthetic.sprite import Placement, Sprite, draw_solid, outline_of, paste
from mtl.data.synthetic.vessels import KINDS, build_vessel
from mtl.errors import ConfigError

RENDERER_VERSION = 3
"""Part of the cache key; goes up whenever the same configuration gives other files."""

SPLITS = {"train": 0, "val": 1, "test": 2}
COVERED = 0.1
"""Share of the target that something in front must hide for a frame to be called occlusion."""


@dataclass(frozen=True)
class RenderedSequence:
    """A rendered sequence of L frames and what is true in it."""

    name: str
    condition: str
    """The condition caused on purpose in most of it."""
    frames: np.ndarray
    """(L, H, W, 3) uint8 RGB."""
    boxes: np.ndarray
    """(L, 4) xywh in pixels, clipped to the picture; parts hidden by others are included."""
    conditions: list[str]
    """Canonical name of every frame's condition."""
    severity: np.ndarray
    """(L,) how strong the condition's effect is, 0..1; see `severity`."""
    visible: np.ndarray
    """(L,) bool; the target is in every frame."""
    visible_share: np.ndarray
    """(L,) share of the target that is in the picture and not hidden, 0..1."""
    cut: np.ndarray
    """(L,) bool; the box touches the border."""
    masks: np.ndarray
    """(L, H, W) bool; the target's pixels as if nothing were in front of it."""


def sequence_generator(config: SyntheticConfig, split: str, number: int) -> np.random.Generator:
    """The source of all randomness of a sequence."""
    return np.random.default_rng([config.seed, SPLITS[split], number])


def condition_of(number: int) -> str:
    """Conditions take turns, so every run of ten sequences holds each once."""
    return CONDITIONS[number % len(CONDITIONS)]


def render_sequence(config: SyntheticConfig, split: str, number: int) -> RenderedSequence:
    """Render one sequence, a pure function of its arguments.

    Args:
        config: Size, length and seed.
        split: "train", "val" or "test"; splits never share a sequence.
        number: Counted from 0.

    Raises:
        ConfigError: if the split is unknown or the pictures are too small.
    """
    if split not in SPLITS:
        raise ConfigError(f"split must be one of {', '.join(SPLITS)}, got '{split}'")
    check_config(config)
    rng = sequence_generator(config, split, number)
    condition, block = condition_of(number), number // len(CONDITIONS)
    turn = (number + block + 3 * SPLITS[split]) % len(KINDS)
    plan = plan_sequence(config, rng, condition, turn, variant=block + SPLITS[split])
    painter = _Painter(plan, rng)
    painted = [painter.paint(t) for t in range(config.frames)]
    hidden = np.array([p[2] for p in painted])
    active = _active(plan, hidden)
    boxes = plan.boxes
    return RenderedSequence(
        name=f"{split}-{number:04d}-{condition}",
        condition=condition,
        frames=np.stack([p[0] for p in painted]),
        boxes=boxes,
        conditions=[condition if on else "normal" for on in active],
        severity=severity_of(plan, active, hidden),
        visible=np.ones(config.frames, dtype=bool),
        visible_share=np.array([p[3] for p in painted]),
        cut=np.array([cut_by_image(b, config.height, config.width) for b in boxes]),
        masks=np.stack([p[1] for p in painted]),
    )


def _active(plan: Plan, hidden: np.ndarray) -> np.ndarray:
    """(L,) whether the condition holds: by the boxes, by what is hidden, or by the script."""
    if plan.condition == "normal":
        return np.zeros(len(plan.x), dtype=bool)
    flags = computed_flags(plan)
    if plan.condition in flags:
        return flags[plan.condition]
    if plan.condition == "occlusion":
        return hidden >= COVERED
    return plan.active


class _Painter:
    """Draws the frames of a plan."""

    def __init__(self, plan: Plan, rng: np.random.Generator) -> None:
        self.plan = plan
        width, height = plan.width, plan.height
        palette = draw_palette(rng)
        sun_x = float(rng.uniform(0, width))
        self.sky = Sky(rng, width, height, palette, sun_x, plan.coast)
        self.sea = Sea(rng, width, height, palette, sun_x, float(rng.uniform(0, 1)))
        light = np.array([np.sign(sun_x - width / 2) * 0.6, 0.65, -0.5])
        self.light = light / np.linalg.norm(light)
        self.fog = 0.75 * np.array(palette.horizon) + 0.25 * rng.uniform(185, 205)
        self.solid = build_vessel(plan.look)
        self.sprites: dict[tuple[float, bool], Sprite] = {}
        self.scale = max(p.scale for p in plan.placements)
        fast = plan.kind == "speed_boat"
        self.foam = draw_foam(
            rng, 0.8, 0.07 if fast else 0.05, (0.9 if fast else 0.35) * plan.speed + 0.05
        )
        self.extras = [self._prepare(extra) for extra in plan.extras]
        self.piles = self._prepare_piles(rng)
        self.flare = (
            effects.flare_layer(height, width, sun_x, 0.12 * height) if plan.flare.any() else None
        )
        self.grain = 1.6 * rng.standard_normal((height + 16, width + 16, 1)).astype(np.float32)
        self.grain_at = rng.integers(0, 16, size=(len(plan.x), 2))

    def paint(self, t: int) -> tuple[np.ndarray, np.ndarray, float, float]:
        """Frame t: picture, target mask, share hidden by others, share visible at all."""
        plan = self.plan
        view = plan.camera.view(t)
        picture = np.empty((plan.height, plan.width, 3), dtype=np.float32)
        self.sky.paint(picture, view)
        self.sea.paint(picture, view, t)
        for extra, sprite, unit in self.extras:
            if not extra.in_front:
                self._paint_extra(picture, extra, sprite, unit, t)
        mask = self._paint_target(picture, t)
        front = np.zeros(mask.shape, dtype=np.float32)
        for extra, sprite, unit in self.extras:
            if extra.in_front:
                self._paint_extra(picture, extra, sprite, unit, t, front)
        if self.piles is not None and plan.piles is not None:
            at = Placement(float(plan.piles.x[t]), float(plan.piles.y[t]), plan.piles.unit)
            _cover(front, paste(picture, self.piles, at))
        hidden = front > 0.5
        seen = int(np.count_nonzero(mask & ~hidden))
        inside = int(np.count_nonzero(mask))
        whole = max(float(inside), self._whole_area(t))
        picture = self._finish(picture, t, view.horizon)
        return picture, mask, 1.0 - seen / max(1, inside), seen / max(1.0, whole)

    def _finish(self, picture: np.ndarray, t: int, horizon: float) -> np.ndarray:
        plan = self.plan
        if plan.fog[t] > 0:
            effects.add_fog(picture, self.fog, float(plan.fog[t]), horizon)
        if plan.gain[t].min() != 1.0 or plan.gain[t].max() != 1.0:
            effects.change_light(picture, plan.gain[t], plan.lift[t])
        if self.flare is not None and plan.flare[t] > 0:
            picture += (255.0 * float(plan.flare[t])) * self.flare
        if plan.blurs_all and plan.blur[t].any():
            picture = effects.directional_blur(picture, (plan.blur[t, 0], plan.blur[t, 1]))
        if plan.softness > 0:
            picture = effects.soften(picture, plan.softness)
        dy, dx = self.grain_at[t]
        picture += self.grain[dy : dy + plan.height, dx : dx + plan.width]
        picture += 0.5
        return np.clip(picture, 0, 255, out=picture).astype(np.uint8)

    def _paint_target(self, picture: np.ndarray, t: int) -> np.ndarray:
        plan = self.plan
        at, sprite = plan.placements[t], self._sprite(t)
        _reflect(picture, sprite, at)
        heading = float(np.cos(plan.yaw[t]))
        if plan.speed > 0 and abs(heading) > 0.2:
            foam_at = Placement(at.x, at.y, at.scale, 0.0, heading, 1.0)
            paste(picture, self.foam, foam_at, 0.5 + 0.5 * plan.speed)
        mask = np.zeros(picture.shape[:2], dtype=bool)
        smear = not plan.blurs_all and bool(plan.blur[t].any())
        if smear:
            scratch = np.zeros_like(picture)
            touched = paste(scratch, sprite, at)
            _smear(picture, sprite, at, plan.blur[t])
        else:
            touched = paste(picture, sprite, at)
        if touched is not None:
            mask[touched[0]] = touched[1] > 0.5
        if plan.speed > 0 and abs(heading) > 0.2 and not smear:
            low = Placement(at.x, at.y + 0.01 * at.scale, at.scale, 0.0, heading, 0.35)
            paste(picture, self.foam, low, 0.8 * plan.speed)
        return mask

    def _sprite(self, t: int) -> Sprite:
        later = self.plan.later_look if self.plan.active[t] else None
        key = (float(self.plan.yaw[t]), later is not None)
        if key not in self.sprites:
            solid = self.solid if later is None else build_vessel(later)
            lit = later is not None and later.lit
            self.sprites[key] = draw_solid(solid, key[0], self.scale, self.light, lit)
        return self.sprites[key]

    def _whole_area(self, t: int) -> float:
        sprite, at = self._sprite(t), self.plan.placements[t]
        drawn = float(np.count_nonzero(sprite.levels[0][..., 3] > 0.5))
        return drawn * (at.scale / sprite.pixels_per_unit) ** 2

    def _prepare(self, extra: Extra) -> tuple[Extra, Sprite, float]:
        solid = build_vessel(extra.look)
        outline = outline_of(solid, extra.yaw)
        unit = 1.0 / float(np.sqrt(np.prod(outline.max(axis=0) - outline.min(axis=0))))
        sprite = draw_solid(solid, extra.yaw, float(extra.side.max()) * unit, self.light)
        return extra, sprite, unit

    def _prepare_piles(self, rng: np.random.Generator) -> Sprite | None:
        piles = self.plan.piles
        if piles is None:
            return None
        return draw_piles(rng, piles.count, piles.spacing, piles.thickness, piles.height)

    def _paint_extra(
        self,
        picture: np.ndarray,
        extra: Extra,
        sprite: Sprite,
        unit: float,
        t: int,
        front: np.ndarray | None = None,
    ) -> None:
        at = Placement(float(extra.x[t]), float(extra.y[t]), float(extra.side[t]) * unit)
        _reflect(picture, sprite, at)
        touched = paste(picture, sprite, at)
        if front is not None:
            _cover(front, touched)


def _reflect(picture: np.ndarray, sprite: Sprite, at: Placement) -> None:
    """The image of a vessel in the water below it."""
    paste(picture, sprite, Placement(at.x, at.y, at.scale, -at.roll, 1.0, -0.35), 0.22)


def _cover(front: np.ndarray, touched: tuple[tuple[slice, slice], np.ndarray] | None) -> None:
    if touched is not None:
        np.maximum(front[touched[0]], touched[1], out=front[touched[0]])


def _smear(picture: np.ndarray, sprite: Sprite, at: Placement, vector: np.ndarray) -> None:
    """Paste a sprite as it looks when it moves by a vector during the exposure."""
    steps = 9
    total = np.zeros_like(picture)
    for share in np.linspace(-0.5, 0.5, steps):
        moment = picture.copy()
        paste(moment, sprite, replace(at, x=at.x + share * vector[0], y=at.y + share * vector[1]))
        total += moment
    picture[:] = total / steps

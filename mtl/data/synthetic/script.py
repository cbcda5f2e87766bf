"""The script of a sequence: who is where in every frame, and what the weather does.

Planning touches no pixels. A script whose boxes would raise a computed flag (scale, resolution,
border) that is not the condition of that frame is thrown away and drawn anew, so that in what is
rendered the computed rules and the labels agree in every frame.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mtl.config.schema import SyntheticConfig
from mtl.data.computed_conditions import cut_by_image, low_resolution, scale_variation
from mtl.data.synthetic.camera import draw_camera, draw_shake
from mtl.data.synthetic.causes import CAUSES
from mtl.data.synthetic.plan import Plan, add_vessel, aspect_of
from mtl.data.synthetic.sprite import Placement, edges_of, outline_of, visible_box
from mtl.data.synthetic.vessels import KINDS, build_vessel, draw_look
from mtl.errors import ConfigError

MIN_WIDTH, MIN_HEIGHT = 96, 72
ATTEMPTS = 400


def check_config(config: SyntheticConfig) -> None:
    """Refuse pictures in which a target that is not low resolution has no room.

    Raises:
        ConfigError: if a side of the picture is too short.
    """
    if config.width < MIN_WIDTH or config.height < MIN_HEIGHT:
        raise ConfigError(
            f"synthetic.width and synthetic.height must be at least {MIN_WIDTH} and {MIN_HEIGHT}, "
            f"got {config.width} and {config.height}; choose a larger picture"
        )


def plan_sequence(
    config: SyntheticConfig,
    rng: np.random.Generator,
    condition: str,
    kind_turn: int,
    variant: int,
) -> Plan:
    """Script a sequence of a condition.

    Args:
        config: Picture size and number of frames.
        rng: Source of the randomness.
        condition: Canonical name of the condition caused.
        kind_turn: Which kind of vessel is due; another one takes its turn if it does not fit.
        variant: Which way of causing the condition is due.

    Raises:
        ConfigError: if the picture is too small.
    """
    check_config(config)
    for attempt in range(ATTEMPTS):
        kind = KINDS[(kind_turn + attempt // 25) % len(KINDS)]
        plan = _draw_base(config, rng, condition, kind, variant)
        if plan is None or not CAUSES[condition](plan, rng):
            continue
        place_target(plan)
        if boxes_agree(plan):
            return plan
    raise ConfigError(
        f"no {condition} sequence fits a picture of {config.width}x{config.height} with "
        f"{config.frames} frames; choose a larger synthetic.width and synthetic.height"
    )


def computed_flags(plan: Plan) -> dict[str, np.ndarray]:
    """The three conditions told by boxes, each (L,) bool, from the boxes as they are written."""
    boxes = plan.boxes
    return {
        "scale_variation": np.array([scale_variation(b, boxes[0]) for b in boxes]),
        "low_resolution": np.array([low_resolution(b) for b in boxes]),
        "partial_visibility": np.array([cut_by_image(b, plan.height, plan.width) for b in boxes]),
    }


def boxes_agree(plan: Plan) -> bool:
    """Whether no computed flag but the condition's own is raised, and that one often enough."""
    for name, flags in computed_flags(plan).items():
        if name != plan.condition and flags.any():
            return False
        if name == plan.condition:
            enough = flags.all() if name == "low_resolution" else flags.mean() >= 0.4
            if len(flags) >= 8 and not enough:
                return False
            if name == "partial_visibility" and flags[0] and len(flags) > 1:
                return False
    return True


def place_target(plan: Plan) -> None:
    """Fill placements and boxes from the script."""
    solid = build_vessel(plan.look)
    shapes: dict[float, tuple[np.ndarray, np.ndarray]] = {}
    plan.placements, boxes = [], []
    for t in range(len(plan.yaw)):
        yaw = float(plan.yaw[t])
        if yaw not in shapes:
            shapes[yaw] = outline_of(solid, yaw), edges_of(solid, yaw)
        outline, edges = shapes[yaw]
        placement = _place(plan, t, outline)
        plan.placements.append(placement)
        boxes.append(visible_box(edges, placement, plan.width, plan.height))
    plan.boxes = np.round(boxes, 4) + 0.0  # no negative zeros


def _place(plan: Plan, t: int, outline: np.ndarray) -> Placement:
    at = Placement(0.0, 0.0, 1.0, float(plan.roll[t]))
    points = outline @ at.matrix.T
    low, high = points.min(axis=0), points.max(axis=0)
    scale = float(plan.side[t]) / float(np.sqrt(np.prod(high - low)))
    low, high = low * scale, high * scale
    w, h = high - low
    x = float(plan.x[t]) - w / 2
    y = float(plan.camera.horizon[t] + plan.drop[t]) + low[1]
    margin = 3.0
    if plan.keep_inside or plan.cut is not None:
        free_x = plan.cut is not None and plan.cut[0] in ("left", "right")
        free_y = plan.cut is not None and not free_x
        if not free_x:
            x = float(np.clip(x, margin, max(margin, plan.width - margin - w)))
        if not free_y:
            y = float(np.clip(y, margin, max(margin, plan.height - margin - h)))
    if plan.cut is not None:
        border, share = plan.cut[0], float(plan.cut[1][t])
        if border == "left":
            x = -share * w
        elif border == "right":
            x = plan.width + share * w - w
        elif border == "top":
            y = -share * h
        else:
            y = plan.height + share * h - h
    return replace(at, x=x - low[0], y=y - low[1], scale=scale)


def _draw_base(
    config: SyntheticConfig,
    rng: np.random.Generator,
    condition: str,
    kind: str,
    variant: int,
) -> Plan | None:
    """A normal sequence, to which a cause is then added."""
    frames, width, height = config.frames, config.width, config.height
    unit = min(width / 256, height / 192)
    look = draw_look(rng, kind)
    facing = int(rng.choice((-1, 1)))
    yaw0 = (0.0 if facing > 0 else np.pi) + float(rng.uniform(-0.25, 0.25))
    aspect = aspect_of(build_vessel(look), yaw0)
    smallest = max(31.5, 26.5 * float(np.sqrt(max(aspect, 1 / aspect))))
    largest = min(70.0 * unit, 0.8 * width / np.sqrt(aspect), 0.75 * height * np.sqrt(aspect))
    if largest < smallest:
        largest = min(0.8 * width / np.sqrt(aspect), 0.75 * height * np.sqrt(aspect))
        if largest < smallest:
            return None
    low = min(max(smallest, 36.0 * unit), largest)
    side0 = float(rng.uniform(low, max(low, 0.25 * low + 0.75 * largest)))
    t = np.arange(frames)

    moves = kind != "buoy"
    pan_speed = facing * float(rng.uniform(0.2, 1.8)) * unit * (1.0 if moves else 0.3)
    shake = draw_shake(rng, frames, float(rng.uniform(0.0, 1.2)) * unit)
    camera = draw_camera(rng, frames, height, pan_speed, shake)

    half = side0 * np.sqrt(aspect) / 2
    room = max(0.0, width / 2 - half - 4)
    rate = float(rng.uniform(0.08, 0.22))
    reach = min(room, 0.14 * side0 / rate) * float(rng.uniform(0.5, 1.0))
    middle = width / 2 + float(rng.uniform(-1, 1)) * (room - reach)
    x = middle + reach * np.sin(rate * t + rng.uniform(0, 2 * np.pi)) + shake[:, 0]
    drop = np.full(frames, float(rng.uniform(0.1, 0.42)) * height)
    wave = float(rng.uniform(0.2, 0.6))
    roll = float(rng.uniform(0.005, 0.045)) * np.sin(wave * t + rng.uniform(0, 6))
    drop = drop + 0.012 * side0 * np.sin(wave * t + rng.uniform(0, 6))
    coast = None if rng.random() < 0.45 else "hills"
    plan = Plan(
        condition, look, kind, width, height, camera,
        yaw=np.full(frames, yaw0), side=side0 * camera.zoom / camera.zoom[0], x=x, drop=drop,
        roll=roll, active=np.zeros(frames, dtype=bool), facing=facing,
        speed=float(np.clip(abs(pan_speed) / unit / 1.8, 0.15, 1)) if moves else 0.0,
        variant=variant, coast=coast, fog=np.zeros(frames), gain=np.ones((frames, 3)),
        lift=np.zeros((frames, 3)), flare=np.zeros(frames), blur=np.zeros((frames, 2)),
        blurs_all=True,
    )  # fmt: skip
    if rng.random() < 0.3:
        _add_company(plan, rng)
    return plan


def _add_company(plan: Plan, rng: np.random.Generator) -> None:
    """One more vessel, farther off and well clear of the target."""
    kind = KINDS[int(rng.integers(len(KINDS)))]
    gap = float(rng.uniform(1.6, 2.2)) * float(rng.choice((-1, 1))) * plan.side[0]
    add_vessel(
        plan,
        rng,
        draw_look(rng, kind, avoid=plan.look.hull),
        x=plan.x + gap + np.linspace(0, float(rng.uniform(-0.2, 0.2)) * plan.side[0], len(plan.x)),
        rise=float(rng.uniform(0.1, 0.3)) * plan.side[0],
        size=float(rng.uniform(0.4, 0.65)),
    )

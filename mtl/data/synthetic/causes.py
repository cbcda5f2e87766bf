"""One function per condition: how it is caused, from which frame on.

Each changes the script of a normal sequence and returns whether the result can be used.
`plan.active` is the label where neither boxes nor coverage decide it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mtl.data.synthetic.plan import Piles, Plan, add_vessel, aspect_of, onset
from mtl.data.synthetic.vessels import KINDS, build_vessel, draw_look, other_side

Cause = Callable[[Plan, np.random.Generator], bool]


def occlude(plan: Plan, rng: np.random.Generator) -> bool:
    """Piles of a pier, another vessel or a large buoy come between target and camera."""
    frames = len(plan.x)
    start = onset(frames, rng)
    plan.active[start:] = True
    side = float(plan.side[0])
    aspect = aspect_of(build_vessel(plan.look), float(plan.yaw[0]))
    w, h = side * np.sqrt(aspect), side / np.sqrt(aspect)
    t = np.arange(frames)
    come_from = float(rng.choice((-1, 1)))
    approach = np.maximum(start - t, 0) * max(0.3, 0.85 / start)
    bottom = plan.camera.horizon + plan.drop
    if plan.variant % 3 == 0:
        spacing, thickness = float(rng.uniform(0.5, 0.62)), float(rng.uniform(0.18, 0.25))
        count = 8
        high = float(rng.uniform(1.05, 1.4)) * max(h, 0.7 * w) / w
        drift = 0.045 * np.maximum(t - start, 0)
        lead = 0.5 + approach - 0.7 - drift  # where the row begins, in widths from the target
        if come_from > 0:
            x = plan.x + w * (lead + thickness / 2)
        else:
            x = plan.x - w * (lead + thickness / 2 + (count - 1) * spacing)
        plan.piles = Piles(x, bottom + 0.12 * h, w, count, spacing, thickness, high)
        return True
    kinds = ("buoy",) if plan.variant % 3 == 2 else tuple(k for k in KINDS if k != "buoy")
    kind = kinds[int(rng.integers(len(kinds)))]
    look = draw_look(rng, kind, avoid=plan.look.hull)
    other_aspect = aspect_of(build_vessel(look), 0.0)
    size = 0.62 if kind == "buoy" else 1.0
    size = max(size, size * h * np.sqrt(other_aspect) / side)  # as high as the target
    if kind == "buoy":
        size = max(size, 0.58 * w / np.sqrt(other_aspect) / side)
    size = min(size, 1.5)
    other_w = size * side * np.sqrt(other_aspect)
    touch = (w + other_w) / 2
    depth = min(0.55 * w, touch) if kind != "buoy" else 0.95 * other_w
    sway = 0.12 * w * np.sin(0.35 * np.maximum(t - start, 0) + rng.uniform(-0.5, 0.5))
    inside = np.minimum(depth, 0.3 * w + 0.25 * w * np.maximum(t - start, 0))
    offset = np.where(t < start, touch + approach * w * 1.1 + 1.0, touch - inside - sway)
    add_vessel(
        plan,
        rng,
        look,
        plan.x + come_from * offset,
        -float(rng.uniform(0.05, 0.12)) * h,
        size,
        True,
    )
    return True


LIGHTS: tuple[tuple[tuple[float, float, float], tuple[float, float, float], float], ...] = (
    ((0.30, 0.33, 0.46), (0.0, 0.0, 6.0), 0.0),  # dusk
    ((1.10, 0.58, 0.26), (18.0, 4.0, 0.0), 0.0),  # red evening light
    ((1.5, 1.38, 1.1), (-10.0, -14.0, -20.0), 1.0),  # sun in the lens
    ((0.40, 0.55, 0.62), (0.0, 4.0, 10.0), 0.0),  # under a storm cloud
)
"""Gain, lift and glare of the lights that replace the first one."""


def change_illumination(plan: Plan, rng: np.random.Generator) -> bool:
    """The light becomes another within a frame: dusk, red evening, glare, storm."""
    frames = len(plan.x)
    start = onset(frames, rng)
    plan.active[start:] = True
    gain, lift, flare = LIGHTS[plan.variant % len(LIGHTS)]
    vary = rng.uniform(0.9, 1.1)
    plan.gain[start:] = np.array(gain) * (vary if gain[0] < 1 else 1.0)
    plan.lift[start:] = lift
    plan.flare[start:] = flare * rng.uniform(0.85, 1.1)
    flicker = 1 + 0.03 * rng.standard_normal(frames)
    plan.gain[start:] *= flicker[start:, None]
    return True


def vary_scale(plan: Plan, rng: np.random.Generator) -> bool:
    """The target comes much nearer or goes much farther off, or the lens zooms."""
    frames = len(plan.x)
    start = max(1, onset(frames, rng) - 3 * (frames >= 12))
    grows = plan.variant % 2 == 0
    ratio = float(rng.uniform(1.8, 2.3)) if grows else float(rng.uniform(0.44, 0.54))
    aspect = aspect_of(build_vessel(plan.look), float(plan.yaw[0]))
    lengthy = np.sqrt(aspect), 1 / np.sqrt(aspect)
    largest = min(0.88 * plan.width / lengthy[0], 0.86 * plan.height / lengthy[1])
    smallest = max(31.0, 25.5 * max(lengthy))
    most = 0.97 * largest / smallest  # what a small picture has room for
    if most < 1.5:
        return False
    ratio = float(np.clip(ratio, 1 / most, most))
    top, bottom = largest / max(ratio, 1.0), smallest / min(ratio, 1.0)
    unit = min(plan.width / 256, plan.height / 192)
    if grows:
        top = min(top, max(48.0 * unit, bottom))
    side0 = float(rng.uniform(bottom, min(top, 1.35 * bottom)))
    ramp = np.clip((np.arange(frames) - start + 1) / max(1.0, 0.3 * frames), 0, 1)
    change = ratio**ramp
    plan.side = side0 * change
    shift = plan.x - plan.width / 2
    plan.x = plan.width / 2 + shift * np.minimum(1.0, 1.0 / change)
    plan.drop = plan.drop * np.clip(change, 0.6, 1.3)
    if plan.variant % 4 >= 2:  # by the lens: the whole scene changes size
        plan.camera.zoom[:] = plan.camera.zoom[0] * change
    plan.extras.clear()
    return True


def blur_motion(plan: Plan, rng: np.random.Generator) -> bool:
    """The camera is jerked, or the target rushes, during the exposure."""
    frames = len(plan.x)
    start = onset(frames, rng)
    plan.active[start:] = True
    side = float(plan.side[0])
    angle = float(rng.uniform(-0.5, 0.5))
    direction = np.array([np.cos(angle), np.sin(angle)])
    plan.blurs_all = plan.variant % 3 != 2
    shares = (0.45, 0.62) if plan.blurs_all else (0.6, 0.8)
    length = side * rng.uniform(*shares, size=frames) * plan.active
    plan.blur = length[:, None] * direction[None, :]
    if plan.blurs_all:
        jerk = 0.16 * side * rng.standard_normal(frames) * plan.active
        jerk = np.clip(jerk, -0.18 * side, 0.18 * side)
        plan.x = plan.x + jerk * direction[0]
        plan.camera.pan[:] -= jerk * direction[0]
        plan.camera.horizon[:] += 0.5 * jerk * direction[1]
    return True


def vary_appearance(plan: Plan, rng: np.random.Generator) -> bool:
    """The vessel turns, shows its end or its other, differently painted side, and lights up."""
    if plan.kind == "buoy":
        return False
    frames = len(plan.x)
    start = onset(frames, rng)
    plan.look = other_side(plan.look, rng)
    plan.later_look = replace(plan.look, lit=True)
    if plan.kind == "sailing_boat":  # sets other sails as well
        plan.look = replace(plan.look, cargo=(1, 0))
        plan.later_look = replace(plan.later_look, accent=plan.look.port, cargo=(0, 1))
    goal = float(rng.uniform(1.2, 1.45)) if plan.variant % 2 == 0 else float(rng.uniform(1.8, 2.6))
    t = np.arange(frames)
    progress = np.clip((t - start + 2) / max(1.0, 0.16 * frames), 0, 1) * (t > 0)
    wander = 0.12 * np.sin(0.3 * t) * (progress >= 1)
    turned = float(rng.choice((-1, 1))) * (goal * progress + wander)
    plan.active = np.abs(turned) >= 0.7
    plan.yaw = np.round((plan.yaw + turned) / 0.04) * 0.04
    # the silhouette narrows; what is left must still have the pixels of a normal target
    aspects = np.array([aspect_of(build_vessel(plan.look), float(yaw)) for yaw in plan.yaw])
    smallest = 26.3 * np.sqrt(np.maximum(aspects, 1 / aspects))
    plan.side = np.maximum(plan.side, np.maximum(31.8, smallest))
    return True


def cut_by_border(plan: Plan, rng: np.random.Generator) -> bool:
    """The camera loses the target over the border of the picture, and keeps a part of it."""
    frames = len(plan.x)
    start = onset(frames, rng)
    aspect = aspect_of(build_vessel(plan.look), float(plan.yaw[0]))
    side = float(plan.side[0]) * 1.05
    w, h = side * np.sqrt(aspect), side / np.sqrt(aspect)
    wide = aspect >= 1
    along = w if wide else h
    visible = max(0.55, 25.5 / along, 940.0 / (w * h))
    if visible > 0.85:
        return False
    deepest = min(1 - visible, 0.45)
    names = ("left", "right") if wide else ("bottom", "top")
    border = names[plan.variant % 2] if wide else names[int(rng.random() < 0.3)]
    t = np.arange(frames)
    pace = float(rng.uniform(0.08, 0.12))
    share = np.where(t < start, (t - start) * pace - 0.06, 0.1 + (t - start) * pace)
    plateau = deepest * (0.8 + 0.2 * np.sin(0.5 * t + rng.uniform(0, 6)))
    share = np.minimum(share, plateau)
    plan.side = np.full(frames, side)
    plan.cut = (border, share)
    moved = np.diff(np.concatenate([[share[0]], share])) * along
    if wide:
        plan.camera.pan[:] -= np.cumsum(moved) * (1 if border == "right" else -1) * 0.7
    else:  # the camera tilts, and the horizon goes with the target
        low = 1.0 if border == "top" else plan.height / h
        sign = -1.0 if border == "top" else 1.0
        waterline = h * (low + sign * share)
        plan.drop = np.full(frames, (0.12 if border == "top" else 0.4) * plan.height)
        plan.camera.horizon[:] = waterline - plan.drop
    plan.extras.clear()
    return True


def shrink_to_low_resolution(plan: Plan, rng: np.random.Generator) -> bool:
    """The target is far off from the first frame on, a few pixels wide in a soft picture."""
    frames = len(plan.x)
    plan.active[:] = True
    plan.side = np.full(frames, float(rng.uniform(15.0, 20.0)))
    plan.x = plan.width / 2 + (plan.x - plan.x.mean()) * 0.35 + (plan.x.mean() - plan.width / 2)
    plan.drop = np.full(frames, float(rng.uniform(0.03, 0.12)) * plan.height)
    plan.softness = float(rng.uniform(0.75, 0.95))
    plan.extras.clear()
    return True


def clutter_background(plan: Plan, rng: np.random.Generator) -> bool:
    """The target passes an anchorage: many vessels like it, before a harbour."""
    frames = len(plan.x)
    start = max(1, onset(frames, rng) - 2 * (frames >= 12))  # the harbour is in sight before
    plan.coast = "harbour"
    plan.extras.clear()
    side = float(plan.side[0])
    come_from = float(rng.choice((-1, 1)))
    t = np.arange(frames)
    late = np.maximum(start - t, 0)
    slide = come_from * side * (max(0.75, 2.9 / start) * late + 0.35 * (late > 0))
    places = np.array([-2.1, -1.55, -1.0, -0.5, 0.0, 0.5, 1.0, 1.55, 2.1])
    for i, place in enumerate(places + rng.uniform(-0.12, 0.12, size=len(places))):
        same = rng.random() < 0.55
        kind = plan.kind if same else KINDS[int(rng.integers(len(KINDS)))]
        look = draw_look(rng, kind, avoid=plan.look.hull)
        row = 0.22 if abs(place) > 0.8 and i % 2 else 0.5
        drift = 0.012 * side * np.maximum(t - start, 0) * come_from
        add_vessel(
            plan, rng, look, plan.x[0] * 0 + plan.x + place * side + slide - drift,
            float(rng.uniform(0.8, 1.2)) * row * side * 0.6,
            float(rng.uniform(0.62, 0.85)),
        )  # fmt: skip
    near = sum((np.abs(extra.x - plan.x) < 2.0 * side).astype(int) for extra in plan.extras)
    plan.active = np.asarray(near) >= 4
    return bool(not plan.active[0] or frames == 1)


def lower_contrast(plan: Plan, rng: np.random.Generator) -> bool:
    """Fog comes down; hull and sea take nearly one tone."""
    frames = len(plan.x)
    start = onset(frames, rng)
    plan.active[start:] = True
    plan.fog[start:] = rng.uniform(0.74, 0.82) + 0.015 * rng.standard_normal(frames - start)
    return True


def stay_normal(plan: Plan, rng: np.random.Generator) -> bool:
    """Nothing happens."""
    return True


CAUSES: dict[str, Cause] = {
    "occlusion": occlude,
    "illumination_change": change_illumination,
    "scale_variation": vary_scale,
    "motion_blur": blur_motion,
    "variance_in_appearance": vary_appearance,
    "partial_visibility": cut_by_border,
    "low_resolution": shrink_to_low_resolution,
    "background_clutter": clutter_background,
    "low_contrast": lower_contrast,
    "normal": stay_normal,
}
"""How each condition is caused, in canonical order."""

"""How strong the effect of a rendered condition is: the `severity` of its records.

A number of the scene itself, each in 0..1 by its own scale, so that it can be learned from what is
seen; 0 in a normal frame.

| condition | severity |
| --- | --- |
| occlusion | share of the target that is hidden |
| illumination_change | change of a mid-grey pixel over its value, plus half the glare |
| scale_variation | 1 - min(r, 1 / r), r = side over the first frame's |
| motion_blur | length of the blur over the target's side |
| variance_in_appearance | angle turned since the first frame, over half a turn |
| partial_visibility | share of the target that is beyond the border |
| low_resolution | 1 - side / 30 pixels, the side below which resolution is low |
| background_clutter | share of nine vessels that are within two sides of the target |
| low_contrast | density of the fog |
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mtl.data.synthetic.plan import Plan

MID_GREY = 128.0
LOW_SIDE = 30.0
"""Pixels; the square root of the area below which the computed rule calls resolution low."""
ANCHORAGE = 9
"""Vessels that background clutter adds."""


def severity_of(plan: Plan, active: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Severity of each frame.

    Args:
        plan: the sequence's script, with its boxes.
        active: (L,) bool, whether the frame has the condition.
        hidden: (L,) share of the target behind something else.

    Returns:
        (L,) float64 in 0..1, rounded as in the files.
    """
    measure = MEASURES.get(plan.condition)
    if measure is None:
        return np.zeros(len(active))
    return np.round(np.clip(np.where(active, measure(plan, hidden), 0.0), 0.0, 1.0), 4)


def _hidden(plan: Plan, hidden: np.ndarray) -> np.ndarray:
    return hidden


def _light(plan: Plan, hidden: np.ndarray) -> np.ndarray:
    change = np.abs(MID_GREY * plan.gain + plan.lift - MID_GREY).mean(axis=1) / MID_GREY
    return np.asarray(change + 0.5 * plan.flare)


def _scale(plan: Plan, hidden: np.ndarray) -> np.ndarray:
    side = _sides(plan)
    return 1.0 - np.minimum(side / side[0], side[0] / side)


def _blur(plan: Plan, hidden: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.norm(plan.blur, axis=1) / plan.side)


def _turn(plan: Plan, hidden: np.ndarray) -> np.ndarray:
    return np.abs(plan.yaw - plan.yaw[0]) / np.pi


def _beyond(plan: Plan, hidden: np.ndarray) -> np.ndarray:
    return plan.cut[1] if plan.cut is not None else np.zeros(len(plan.x))


def _smallness(plan: Plan, hidden: np.ndarray) -> np.ndarray:
    return 1.0 - _sides(plan) / LOW_SIDE


def _crowd(plan: Plan, hidden: np.ndarray) -> np.ndarray:
    near = [np.abs(extra.x - plan.x) < 2.0 * plan.side for extra in plan.extras]
    return np.sum(near, axis=0) / ANCHORAGE


def _fog(plan: Plan, hidden: np.ndarray) -> np.ndarray:
    return plan.fog


def _sides(plan: Plan) -> np.ndarray:
    return np.asarray(np.sqrt(plan.boxes[:, 2] * plan.boxes[:, 3]))


MEASURES: dict[str, Callable[[Plan, np.ndarray], np.ndarray]] = {
    "occlusion": _hidden,
    "illumination_change": _light,
    "scale_variation": _scale,
    "motion_blur": _blur,
    "variance_in_appearance": _turn,
    "partial_visibility": _beyond,
    "low_resolution": _smallness,
    "background_clutter": _crowd,
    "low_contrast": _fog,
}
"""How each condition is measured; normal is always 0."""

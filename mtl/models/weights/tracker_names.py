"""Names in checkpoints of whole trackers: the published ones, and those of the wider family."""

from __future__ import annotations

import re

from mtl.models.weights.by_shape import match_by_shape
from mtl.models.weights.plan import Plan, Shapes, renamed

EVERYTHING = re.compile("")
NO_USE = "no output depends on it"

HEAD_NAMES = {
    "cls_projection.": "fc1.",
    "cls_projection.0.": "fc1.",
    "classifier.": "fc2.",
    "fusion_layer.": "residual.",
}
"""The published SimTrack branch, and ours."""


def published_head(shapes: Shapes) -> dict[str, str]:
    """Entries of a condition head and what they are called here.

    SimTrack's published branch has names of its own; of HIPTrack's only the module `cls_head` and
    its two linear layers are known, whatever their numbers are.
    """
    found = {}
    for name in shapes:
        prefix, _, last = name.rpartition(".")
        if f"{prefix}." in HEAD_NAMES:
            found[name] = f"condition_head.{HEAD_NAMES[f'{prefix}.']}{last}"
        elif name.startswith("condition_head."):
            found[name] = name
    layers = sorted(n.removesuffix("weight") for n in shapes if _is_head_layer(n))
    if len(layers) == 2:
        for layer, ours in zip(layers, ("fc1", "fc2"), strict=True):
            for last in ("weight", "bias"):
                if layer + last in shapes:
                    found[layer + last] = f"condition_head.{ours}.{last}"
    return found


def _is_head_layer(name: str) -> bool:
    return name.startswith("cls_head.") and name.endswith(".weight")


def plan_hiptrack(shapes: Shapes, targets: Shapes) -> Plan:
    """A checkpoint of HIPTrack, or of OSTrack and DropTrack, whose names it kept."""
    head = published_head(shapes)
    return Plan(
        renamed(shapes, {name: head.get(name, name) for name in shapes}),
        EVERYTHING,
        optional=_counters(targets),
        notes=("the published head averages over all search tokens, this one over kept tokens",)
        if any(name.startswith("cls_head.") for name in head)
        else (),
    )


def plan_simtrack(shapes: Shapes, targets: Shapes) -> Plan:
    """A checkpoint of SimTrack: by exact names, and by shape where those fail (spec 2.2)."""
    head = published_head(shapes)
    names = {name: head.get(name, name) for name in shapes}
    taken = set(names.values())
    missing = {name: shape for name, shape in targets.items() if name not in taken}
    unused = {name: shapes[name] for name, target in names.items() if target not in targets}
    names |= match_by_shape(unused, missing)
    return Plan(
        renamed(shapes, names),
        EVERYTHING,
        optional=_counters(targets) | {"backbone.visual.proj": NO_USE},
        notes=("the published condition branch read the first template token, not the class token",)
        if "cls_projection" in " ".join(head)
        else (),
    )


def _counters(targets: Shapes) -> dict[str, str]:
    return {name: NO_USE for name in targets if name.endswith("num_batches_tracked")}

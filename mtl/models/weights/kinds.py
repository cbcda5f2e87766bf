"""What kind of file this is, told by its names, and how to import it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from mtl.models.weights.by_shape import tower_prefix
from mtl.models.weights.clip_names import plan_clip, plan_timm_clip
from mtl.models.weights.efficientnets import is_package, is_timm, is_torchvision
from mtl.models.weights.imagenet_names import plan_resnet, plan_vit
from mtl.models.weights.plan import Plan, Shapes
from mtl.models.weights.tracker_names import plan_hiptrack, plan_simtrack
from mtl.models.weights.unified_names import (
    plan_package,
    plan_timm,
    plan_torchvision,
    plan_unified,
)

FAMILIES = {
    "hiptrack": "hiptrack",
    "simtrack": "simtrack",
    "clip": "simtrack",
    "timm": "hiptrack",
    "unified": "unified",
}
"""What `--family` may say, and which model (also a preset) such weights are for."""


@dataclass(frozen=True)
class Kind:
    """A kind of file."""

    title: str
    """What a message calls it."""
    family: str | None
    """The family to import it as; none if no model here has a use for it."""
    matches: Callable[[Shapes], bool]
    """Whether names and shapes are those of such a file; the first of `KINDS` wins."""
    plan: Callable[[Shapes, Shapes], Plan] | None = None
    """What to take from it, given its entries and the model's."""


def kind_of(shapes: Shapes) -> Kind:
    """The kind of a file with these entries."""
    return next(kind for kind in KINDS if kind.matches(shapes))


def _has(*patterns: str) -> Callable[[Shapes], bool]:
    """Whether each pattern matches the start of a name."""

    def matches(shapes: Shapes) -> bool:
        return all(any(re.match(pattern, name) for name in shapes) for pattern in patterns)

    return matches


def _is_simtrack(shapes: Shapes) -> bool:
    prefix = tower_prefix(shapes)
    if prefix is None:
        return _has(r"backbone\.visual\.", r"backbone\.pos_fc\.|bottleneck\.")(shapes)
    # Beside the tower CLIP has no convolutions, SimTrack has its box head under whatever name.
    return any(len(s) == 4 and not name.startswith(prefix) for name, s in shapes.items())


def _is_resnet18(shapes: Shapes) -> bool:
    deeper = _has(r"layer1\.(2\.|\d\.conv3)")(shapes)
    return _has(r"conv1\.weight$", r"layer1\.1\.conv2\.weight")(shapes) and not deeper


KINDS = (
    Kind("a HIPTrack checkpoint", "hiptrack", _has(r"HIP\.encoder\."), plan_hiptrack),
    Kind(
        "an OSTrack or DropTrack checkpoint",
        "hiptrack",
        _has(r"backbone\.blocks\.0\.attn\.qkv\.", r"box_head\."),
        plan_hiptrack,
    ),
    Kind("a SimTrack checkpoint", "simtrack", _is_simtrack, plan_simtrack),
    Kind(
        "CLIP with a vision transformer",
        "clip",
        lambda shapes: tower_prefix(shapes) is not None,
        plan_clip,
    ),
    Kind("CLIP with a ResNet", None, _has(r"visual\.layer1\.0\.", r"transformer\.resblocks\.")),
    Kind(
        "timm's CLIP vision transformer",
        "clip",
        _has(r"blocks\.0\.attn\.qkv\.weight", r"norm_pre\."),
        plan_timm_clip,
    ),
    Kind(
        "a plain vision transformer in timm's names",
        "timm",
        _has(r"blocks\.0\.attn\.qkv\.weight", r"patch_embed\.proj\.weight"),
        plan_vit,
    ),
    Kind("ResNet-18", "timm", _is_resnet18, plan_resnet),
    Kind(
        "a checkpoint of the unified model",
        "unified",
        _has(r"neck_(det|seg|cls)\.", r"idt_(det|seg|cls)\.", r"backbone\."),
        plan_unified,
    ),
    Kind("EfficientNet-B0 in torchvision's names", "unified", is_torchvision, plan_torchvision),
    Kind("an EfficientNet in timm's names", "unified", is_timm, plan_timm),
    Kind("EfficientNet-Lite0 in its package's names", "unified", is_package, plan_package),
    Kind(
        "an EfficientNet other than B0 and Lite0",
        None,
        lambda shapes: any(
            _has(*patterns)(shapes)
            for patterns in (
                (r"(features\.)?1\.0\.block\.0\.0\.weight",),
                (r"conv_stem\.weight", r"blocks\.0\.0\.", r"conv_head\.weight"),
                (r"_conv_stem\.weight", r"_blocks\.0\."),
            )
        ),
    ),
    Kind("a ResNet other than ResNet-18", None, _has(r"layer1\.0\.conv1\.weight")),
    Kind("no model known here", None, lambda shapes: True),
)

"""Which EfficientNet weights are of, told by the names and shapes timm gives them."""

from __future__ import annotations

import re
from collections.abc import Callable

from mtl.config.unified import BackboneName
from mtl.models.weights.plan import Shapes
from mtl.models.weights.unified_names import BACKBONE, package_to_timm, torchvision_to_timm

STEM, LAST = "conv_stem.weight", "conv_head.weight"
SQUEEZE = "blocks.0.0.se.conv_reduce.weight"
FORMS: dict[tuple[tuple[int, ...], int, int, bool], BackboneName] = {
    ((1, 2, 2, 3, 3, 4, 1), 32, 1280, True): "efficientnet_b0",
    ((1, 2, 2, 3, 3, 4, 1), 32, 1280, False): "tf_efficientnet_lite0",
    ((1, 1, 1, 1, 1), 24, 256, False): "test_efficientnet",
}
"""Blocks of each stage, channels of stem and last map, squeeze and excitation."""


def backbone_of(shapes: Shapes) -> BackboneName | None:
    """The backbone whose entries in timm's names these are; none: of no backbone here."""
    stages: dict[str, set[str]] = {}
    for name in shapes:
        if block := re.match(r"blocks\.(\d+)\.(\d+)\.", name):
            stages.setdefault(block[1], set()).add(block[2])
    lengths = tuple(len(stages[stage]) for stage in sorted(stages, key=int))
    stem, last = (shapes.get(name, (0,))[0] for name in (STEM, LAST))
    return FORMS.get((lengths, stem, last, SQUEEZE in shapes))


def backbone_inside(shapes: Shapes) -> BackboneName | None:
    """The backbone of a unified model; none if there is none or another."""
    inside = {n.removeprefix(BACKBONE): s for n, s in shapes.items() if n.startswith(BACKBONE)}
    return backbone_of(inside)


def is_timm(shapes: Shapes) -> bool:
    """Whether this is a backbone of ours in timm's names."""
    return backbone_of(shapes) is not None


def is_torchvision(shapes: Shapes) -> bool:
    """Whether this is EfficientNet-B0 in torchvision's names, with or without `features.`."""
    found = _renamed(shapes, lambda name: torchvision_to_timm(name.removeprefix("features.")))
    return backbone_of(found) == "efficientnet_b0"


def is_package(shapes: Shapes) -> bool:
    """Whether this is EfficientNet-Lite0 in the names of its package."""
    squeezes = any("._se_reduce." in name for name in shapes)
    found = _renamed(shapes, package_to_timm)
    return not squeezes and backbone_of(found) == "tf_efficientnet_lite0"


def _renamed(shapes: Shapes, rename: Callable[[str], str | None]) -> Shapes:
    return {timm: shape for name, shape in shapes.items() if (timm := rename(name))}

"""SimTrack under other names: the visual tower by its own names, the rest by unique shapes.

SimTrack was first written in another framework; in its published file names may differ from those
of the code (SimTrack spec 2.2). Where two entries could be meant nothing is matched.
"""

from __future__ import annotations

import re

from mtl.models.weights.plan import Shapes

TOWER = "backbone.visual."
LINEAR = ("backbone.pos_fc.0.", "backbone.pos_fc.2.", "bottleneck.")
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def tower_prefix(shapes: Shapes) -> str | None:
    """What stands before the names of CLIP's visual tower; none without exactly one such tower."""
    found = [
        name.removesuffix("conv1.weight")
        for name, shape in shapes.items()
        if name.endswith("conv1.weight")
        and len(shape) == 4
        and shape[1] == 3
        and shapes.get(name.removesuffix("conv1.weight") + "class_embedding") == shape[:1]
    ]
    return found[0] if len(found) == 1 else None


def match_by_shape(unused: Shapes, missing: Shapes) -> dict[str, str]:
    """File names -> model names for as much of `missing` as is certain.

    Args:
        unused: entries of the file whose names mean nothing.
        missing: entries of the model that no name of the file means.
    """
    found: dict[str, str] = {}
    prefix = tower_prefix(unused)
    if prefix is not None:
        for target in missing:
            if target.startswith(TOWER) and prefix + target.removeprefix(TOWER) in unused:
                found[prefix + target.removeprefix(TOWER)] = target
    rest = {name: shape for name, shape in unused.items() if name not in found}
    for layer in LINEAR:
        found |= _layer(rest, missing, layer, ("weight", "bias"), "weight")
    for branch in ("tl", "br"):
        mine = {n: s for n, s in rest.items() if branch in re.split("[^a-z]+", n.lower())}
        for number in range(1, 5):
            convolution, norm = (f"box_head.conv{number}_{branch}.{part}." for part in (0, 1))
            found |= _layer(mine, missing, convolution, ("weight", "bias"), "weight")
            found |= _layer(mine, missing, norm, NORM, "running_mean")
        found |= _layer(mine, missing, f"box_head.conv5_{branch}.", ("weight", "bias"), "weight")
    return found


def _layer(
    shapes: Shapes, missing: Shapes, layer: str, entries: tuple[str, ...], telling: str
) -> dict[str, str]:
    """The entries of one layer, found by the shape of one of them."""
    wanted = missing.get(layer + telling)
    layers = [
        name.removesuffix(telling)
        for name, shape in shapes.items()
        if name.endswith(f".{telling}") and shape == wanted
    ]
    if len(layers) != 1:
        return {}
    return {
        layers[0] + entry: layer + entry
        for entry in entries
        if layers[0] + entry in shapes and layer + entry in missing
    }

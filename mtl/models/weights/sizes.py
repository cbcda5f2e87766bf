"""Sizes of a network as its weights show them, by the keys of the config that set them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import NamedTuple

from mtl.models.weights.efficientnets import SQUEEZE, STEM, backbone_inside
from mtl.models.weights.plan import Shapes
from mtl.models.weights.unified_names import BACKBONE


class Size(NamedTuple):
    """One key of the config and the entry that shows its value."""

    key: str
    entry: str
    value: Callable[[Shapes], float | str]
    """Given shapes that hold the entry."""


class Difference(NamedTuple):
    """A size in which a file and a model differ."""

    entry: str
    key: str
    value: str
    """Of the file, as one writes it in a config."""


def _dimension(key: str, entry: str, dimension: int) -> Size:
    return Size(key, entry, lambda shapes: shapes[entry][dimension])


def _ratio(key: str, entry: str, over: int, under: int) -> Size:
    return Size(key, entry, lambda shapes: shapes[entry][over] / shapes[entry][under])


def _crop(key: str, entry: str) -> Size:
    patches = "backbone.patch_embed.proj.weight"
    return Size(key, entry, lambda s: math.isqrt(s[entry][1]) * s.get(patches, (0, 0, 1))[2])


def _head(token: str) -> tuple[Size, Size]:
    """Sizes of a condition head; `token` is an entry as long as what the head looks at."""
    layer = "condition_head.fc1.weight"
    return (
        _dimension("head.hidden_width", layer, 0),
        Size(
            "head.size_features",
            layer,
            lambda shapes: "true" if shapes[layer][1] != shapes[token][0] else "false",
        ),
    )


def _groups(shapes: Shapes) -> int:
    """Groups of the unified model's head: each reads a quarter of the necks."""
    return shapes["attention.to_out.weight"][0] // shapes["head.hidden.weight"][1]


SIZES = {
    "hiptrack": (
        _dimension("model.backbone.width", "backbone.norm.weight", 0),
        _dimension("model.backbone.patch_size", "backbone.patch_embed.proj.weight", 2),
        _ratio("model.backbone.mlp_ratio", "backbone.blocks.0.mlp.fc1.weight", 0, 1),
        _crop("model.template.size", "backbone.pos_embed_z"),
        _crop("model.search.size", "backbone.pos_embed_x"),
        _dimension("model.box_head.channels", "box_head.conv1_ctr.0.weight", 0),
        _dimension("model.box_head.channels", "box_head.conv1_tl.0.weight", 0),
        _dimension("model.prompt.encoder_width", "HIP.encoder.conv1.weight", 0),
        _dimension("model.prompt.key_width", "key_proj.key_proj.weight", 0),
        _ratio(
            "model.prompt.gate_reduction",
            "HIP.encoder.fuser.attention.ChannelGate.mlp.1.weight",
            1,
            0,
        ),
        *_head("backbone.norm.weight"),
    ),
    "simtrack": (
        _dimension("model.backbone.width", "backbone.visual.class_embedding", 0),
        _dimension("model.backbone.patch_size", "backbone.visual.conv1.weight", 2),
        _ratio(
            "model.backbone.mlp_ratio",
            "backbone.visual.transformer.resblocks.0.mlp.c_fc.weight",
            0,
            1,
        ),
        _dimension("model.bottleneck_width", "bottleneck.weight", 0),
        _dimension("model.box_head_channels", "box_head.conv1_tl.0.weight", 0),
        *_head("bottleneck.weight"),
    ),
    "unified": (
        Size(
            "model.normalization",
            "backbone.bn1.running_mean",
            lambda s: "per_task" if len(s["backbone.bn1.running_mean"]) == 2 else "shared",
        ),
        Size(
            "model.normalization",
            "head.norm.running_mean",
            lambda s: "frozen_backbone" if len(s["head.norm.running_mean"]) == 2 else "shared",
        ),
        _dimension("model.neck_width", "necks.det.pointwise.weight", 0),
        Size(
            "model.attention.num_heads",
            "attention.to_qkv.weight",
            lambda s: f"'{s['attention.to_qkv.weight'][0] // 3} / model.attention.head_width'",
        ),
        Size("model.head.groups", "attention.to_out.weight", _groups),
        Size(
            "model.head.group_width",
            "head.hidden.weight",
            lambda s: s["head.hidden.weight"][0] // _groups(s),
        ),
        _dimension("model.num_seg_classes", "own.seg.weight", 0),
        _dimension("model.num_cls_classes", "own.cls.weight", 0),
        Size(
            "model.num_det_classes",
            "own.det.weight",
            lambda s: f"'{s['own.det.weight'][0]} - 5 * model.num_boxes'",
        ),
    ),
}
"""By model family, the wider-reaching first."""
BLOCK = re.compile(r"(backbone\.(?:blocks|visual\.transformer\.resblocks)\.)(\d+)\.(.+)")


def first_difference(family: str, file: Shapes, model: Shapes) -> Difference | None:
    """The first size in which they differ, as far as both show it.

    Args:
        family: of the model.
        file: shapes by the model's names.
        model: shapes.
    """
    if family == "unified" and (other := _other_backbone(file, model)):
        return other
    for size in SIZES[family]:
        if size.entry in file and size.entry in model:
            there = size.value(file)
            if there != size.value(model):
                text = f"{there:g}" if isinstance(there, float) else str(there)
                return Difference(size.entry, size.key, text)
    blocks, ours = _blocks(file), _blocks(model)
    if blocks and ours and len(blocks) != len(ours):
        entry = next(iter((blocks if len(blocks) > len(ours) else ours)[min(blocks.keys() ^ ours)]))
        return Difference(entry, "model.backbone.depth", str(len(blocks)))
    return None


def _other_backbone(file: Shapes, model: Shapes) -> Difference | None:
    """The first entry that tells the backbones apart, if the file has another one."""
    there, here = backbone_inside(file), backbone_inside(model)
    if there is None or there == here:
        return None
    apart = (f"{BACKBONE}{name}" for name in (STEM, SQUEEZE))
    entry = next(name for name in apart if file.get(name) != model.get(name))
    return Difference(entry, "model.backbone.name", there)


def _blocks(shapes: Shapes) -> dict[int, list[str]]:
    """Names of the entries of each transformer block."""
    blocks: dict[int, list[str]] = {}
    for name in shapes:
        if found := BLOCK.match(name):
            blocks.setdefault(int(found[2]), []).append(name)
    return blocks

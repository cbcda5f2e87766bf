"""CLIP's vision transformer under its own names and under timm's, for SimTrack (spec 2.3, 2.4)."""

from __future__ import annotations

import re

from torch import Tensor

from mtl.models.weights.by_shape import TOWER, tower_prefix
from mtl.models.weights.plan import Move, Plan, Shapes, renamed
from mtl.models.weights.tracker_names import NO_USE

SCOPE = re.compile(rf"{re.escape(TOWER)}")
OPTIONAL = {f"{TOWER}proj": NO_USE}

TIMM_NAMES = {
    "patch_embed.proj.weight": "conv1.weight",
    "norm_pre.weight": "ln_pre.weight",
    "norm_pre.bias": "ln_pre.bias",
    "norm.weight": "ln_post.weight",
    "norm.bias": "ln_post.bias",
}
TIMM_BLOCK_NAMES = {
    "norm1.": "ln_1.",
    "norm2.": "ln_2.",
    "attn.qkv.": "attn.in_proj_",
    "attn.proj.": "attn.out_proj.",
    "mlp.fc1.": "mlp.c_fc.",
    "mlp.fc2.": "mlp.c_proj.",
}


def plan_clip(shapes: Shapes, targets: Shapes) -> Plan:
    """OpenAI's CLIP: the visual tower is taken, the rest is not."""
    prefix = tower_prefix(shapes) or ""
    tower = {n: TOWER + n.removeprefix(prefix) for n in shapes if n.startswith(prefix)}
    numbers = ("input_resolution", "context_length", "vocab_size")
    ignored = {
        name: "a number about CLIP" if name.rpartition(".")[2] in numbers else "CLIP's text tower"
        for name in shapes
        if name not in tower or tower[name].rpartition(".")[2] in numbers
    }
    tower = {name: target for name, target in tower.items() if name not in ignored}
    return Plan(renamed(shapes, tower), SCOPE, OPTIONAL, ignored)


def plan_timm_clip(shapes: Shapes, targets: Shapes) -> Plan:
    """The same tower as timm names it."""
    moves: list[Move] = []
    ignored: dict[str, str] = {}
    for name, shape in shapes.items():
        block = re.fullmatch(r"blocks\.(\d+)\.(.+\.)(weight|bias)", name)
        if name in TIMM_NAMES:
            moves.append(Move(name, TOWER + TIMM_NAMES[name], shape))
        elif block and block[2] in TIMM_BLOCK_NAMES:
            inside = f"transformer.resblocks.{block[1]}.{TIMM_BLOCK_NAMES[block[2]]}{block[3]}"
            moves.append(Move(name, TOWER + inside, shape))
        elif name == "cls_token":
            moves.append(Move(name, f"{TOWER}class_embedding", shape[2:], _first_two_axes_off))
        elif name == "pos_embed":
            moves.append(Move(name, f"{TOWER}positional_embedding", shape[1:], _first_axis_off))
        elif name == "head.weight":
            moves.append(Move(name, f"{TOWER}proj", shape[::-1], _transposed))
        else:
            ignored[name] = "zero in CLIP" if name == "head.bias" else "not part of CLIP's tower"
    note = (
        "timm's models without 'quickgelu' in their name have the exact GELU; OpenAI's weights and "
        "SimTrack have the quick one"
    )
    return Plan(moves, SCOPE, OPTIONAL, ignored, (note,))


def _first_axis_off(tensor: Tensor) -> Tensor:
    return tensor[0]


def _first_two_axes_off(tensor: Tensor) -> Tensor:
    return tensor[0, 0]


def _transposed(tensor: Tensor) -> Tensor:
    return tensor.T

"""ImageNet networks for HIPTrack: a plain vision transformer, and ResNet-18 (spec 3.2 and 11)."""

from __future__ import annotations

import math
import re

import torch
from torch import Tensor, nn

from mtl.models.vit import interpolate_position_embedding
from mtl.models.weights.plan import Move, Plan, Shapes
from mtl.models.weights.tracker_names import NO_USE

BACKBONE = "backbone."
ENCODER = "HIP.encoder."
VIT_ENTRY = re.compile(r"cls_token|patch_embed\.proj\.\w+|blocks\.\d+\..+|norm\.(weight|bias)")
RESNET_ENTRY = re.compile(r"(bn1|layer[123]\.\d)\..+")


def plan_vit(shapes: Shapes, targets: Shapes) -> Plan:
    """Timm's and MAE's plain vision transformers: the whole backbone, positions resized."""
    moves = [Move(n, BACKBONE + n, s) for n, s in shapes.items() if VIT_ENTRY.fullmatch(n)]
    position = shapes.get("pos_embed", ())
    if len(position) == 3 and _is_square(position[1] - 1):
        if position == targets.get(f"{BACKBONE}pos_embed"):
            moves.append(Move("pos_embed", f"{BACKBONE}pos_embed", position))
        for name in ("pos_embed_z", "pos_embed_x"):
            side = math.isqrt(targets[BACKBONE + name][1])
            shape = (1, side * side, position[2])
            change = _Resize(side)
            moves.append(Move("pos_embed", BACKBONE + name, shape, change, resized=True))
    sources = {move.source for move in moves}
    return Plan(
        moves,
        re.compile(r"backbone\."),
        {
            f"{BACKBONE}cls_token": NO_USE,
            f"{BACKBONE}pos_embed": NO_USE,
            f"{BACKBONE}temporal_pos_embed_z": "no such file has it; it starts fresh",
            f"{BACKBONE}temporal_pos_embed_x": "no such file has it; it starts fresh",
        },
        {name: _why_not_backbone(name) for name in shapes if name not in sources},
    )


def plan_resnet(shapes: Shapes, targets: Shapes) -> Plan:
    """ResNet-18 of torchvision or timm: the prompt encoder's stem and three stages."""
    moves = [Move(n, ENCODER + n, s) for n, s in shapes.items() if RESNET_ENTRY.fullmatch(n)]
    width, _, *kernel = shapes["conv1.weight"]
    stem = (width, 4, *kernel)
    moves.append(Move("conv1.weight", f"{ENCODER}conv1.weight", stem, _with_mask_channel, True))
    sources = {move.source for move in moves}
    encoder = re.compile(rf"{re.escape(ENCODER)}(?!fuser\.)")
    optional = {
        name: NO_USE if name.endswith("num_batches_tracked") else "starts at 0, as published"
        for name in targets
        if encoder.match(name)
        and re.search(r"(num_batches_tracked|conv[12]\.bias|downsample\.0\.bias)$", name)
    }
    why = "HIPTrack has ResNet-18's stem and first three stages only"
    return Plan(moves, encoder, optional, {name: why for name in shapes if name not in sources})


class _Resize:
    """A position embedding on another grid."""

    def __init__(self, side: int) -> None:
        self.side = side

    def __call__(self, position: Tensor) -> Tensor:
        return interpolate_position_embedding(position.float(), self.side)


def _with_mask_channel(weight: Tensor) -> Tensor:
    """A fourth input channel, orthogonal at random from a fixed seed, behind the colours."""
    mask = torch.empty(len(weight), 1, *weight.shape[2:])
    nn.init.orthogonal_(mask, generator=torch.Generator().manual_seed(0))
    return torch.cat([weight.float(), mask], dim=1)


def _is_square(number: int) -> bool:
    return number > 0 and math.isqrt(number) ** 2 == number


def _why_not_backbone(name: str) -> str:
    if name == "pos_embed":
        return "its entries after the first form no square grid"
    return "only ImageNet's classes or the masked pre-training need it"

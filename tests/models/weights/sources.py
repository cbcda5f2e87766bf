"""Files as others publish them, made small: trackers' checkpoints, CLIP, ImageNet networks."""

from __future__ import annotations

import sys
import types
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm.models.vision_transformer as vision
import torch
from timm.layers import QuickGELU
from torch import Tensor, nn

from mtl.config.load import validate
from mtl.config.schema import TrackerRunConfig
from mtl.models.build import build_model
from tests.models.small import SMALL

WIDTH, DEPTH, HEADS, PATCH = 32, 3, 2, 8

SMALL_SIMTRACK: dict[str, Any] = {
    "family": "simtrack",
    "template": {"size": 32, "factor": 2.0},
    "search": {"size": 64, "factor": 4.0},
    "backbone": {"width": 32, "depth": 3, "num_heads": 2, "patch_size": 8, "fovea": 8},
    "bottleneck_width": 24,
    "box_head_channels": 16,
}


def run_config(family: str, mode: str = "finetune_bbox", **changes: Any) -> TrackerRunConfig:
    """A small run of a family; `changes` replace keys of its model, `head` those of its head."""
    head = {"hidden_width": 12, **changes.pop("head", {})}
    model = {**(SMALL_SIMTRACK if family == "simtrack" else SMALL), **changes}
    stages = {"full": {"epochs": 1}}
    return validate({"mode": mode, "model": model, "head": head, "stages": stages}, "the test")


def small_weights(config: TrackerRunConfig, seed: int = 0) -> dict[str, Tensor]:
    """Weights of a freshly made model, different in every entry."""
    torch.manual_seed(seed)
    state = build_model(config).state_dict()
    return {
        name: torch.randn_like(tensor) if tensor.is_floating_point() else tensor + 7
        for name, tensor in state.items()
    }


def save_official(path: Path, net: Mapping[str, Tensor], net_type: str) -> Path:
    """A training checkpoint of the published code: its classes are gone once it is written."""
    names = {
        "lib.train.admin.stats": ("AverageMeter", "StatValue"),
        "lib.train.admin.settings": ("Settings",),
        "lib.train.admin.local": ("EnvironmentSettings",),
    }
    made: dict[str, Any] = {}
    modules = ("lib", "lib.train", "lib.train.admin", *names)
    for module in modules:
        sys.modules[module] = types.ModuleType(module)
        for name in names.get(module, ()):
            made[name] = type(name, (), {"__module__": module})
            setattr(sys.modules[module], name, made[name])
    settings, meter = made["Settings"](), made["AverageMeter"]()
    settings.env, settings.local_rank = made["EnvironmentSettings"](), -1
    meter.history, meter.sum = [1.0, 2.0], torch.tensor(3.0)
    try:
        torch.save(
            {
                "epoch": 50,
                "actor_type": f"{net_type}Actor",
                "net_type": net_type,
                "net": OrderedDict(net),
                "net_info": None,
                "constructor": None,
                "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{}]},
                "stats": OrderedDict(train={"Loss/total": meter}),
                "settings": settings,
            },
            path,
        )
    finally:
        for module in modules:
            del sys.modules[module]
    return path


class Gelu(nn.Module):
    """CLIP's quick GELU."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class ClipBlock(nn.Module):
    """A block of CLIP, with CLIP's names."""

    def __init__(self) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(WIDTH, HEADS)
        self.ln_1 = nn.LayerNorm(WIDTH)
        layers = [
            ("c_fc", nn.Linear(WIDTH, 4 * WIDTH)),
            ("gelu", Gelu()),
            ("c_proj", nn.Linear(4 * WIDTH, WIDTH)),
        ]
        self.mlp = nn.Sequential(OrderedDict(layers))
        self.ln_2 = nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class ClipTransformer(nn.Module):
    """Blocks in a row."""

    def __init__(self) -> None:
        super().__init__()
        self.resblocks = nn.Sequential(*[ClipBlock() for _ in range(DEPTH)])

    def forward(self, x: Tensor) -> Tensor:
        return self.resblocks(x)


class ClipVisual(nn.Module):
    """The visual tower over (B, 3, 112, 112): tokens after the last norm."""

    def __init__(self) -> None:
        super().__init__()
        self.input_resolution = 112
        self.conv1 = nn.Conv2d(3, WIDTH, PATCH, PATCH, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(WIDTH))
        self.positional_embedding = nn.Parameter(torch.randn(197, WIDTH))
        self.ln_pre = nn.LayerNorm(WIDTH)
        self.transformer = ClipTransformer()
        self.ln_post = nn.LayerNorm(WIDTH)
        self.proj = nn.Parameter(torch.randn(WIDTH, 512))

    def forward(self, images: Tensor) -> Tensor:
        x = self.conv1(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x], dim=1)
        x = self.ln_pre(x + self.positional_embedding).transpose(0, 1)
        return self.ln_post(self.transformer(x).transpose(0, 1))


class Clip(nn.Module):
    """Both towers, as far as names go."""

    def __init__(self) -> None:
        super().__init__()
        self.visual = ClipVisual()
        self.transformer = ClipTransformer()
        self.token_embedding = nn.Embedding(50, WIDTH)
        self.positional_embedding = nn.Parameter(torch.randn(77, WIDTH))
        self.ln_final = nn.LayerNorm(WIDTH)
        self.text_projection = nn.Parameter(torch.randn(WIDTH, 512))
        self.logit_scale = nn.Parameter(torch.ones([]))
        for name in ("input_resolution", "context_length", "vocab_size"):
            self.register_buffer(name, torch.tensor(77))

    def forward(self, images: Tensor) -> Tensor:
        return self.visual(images)


def small_clip(seed: int = 0) -> Clip:
    """A CLIP whose matrices are half precision, as OpenAI's are."""
    torch.manual_seed(seed)
    model = Clip().eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data = parameter.data.half()
    return model


def save_script(module: nn.Module, path: Path) -> Path:
    """A TorchScript archive."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(module), path)
    return path


def small_vit(seed: int = 0, clip: bool = False, **changes: Any) -> vision.VisionTransformer:
    """Timm's transformer with a 14 x 14 grid, plain or as CLIP's visual tower."""
    torch.manual_seed(seed)
    sizes: dict[str, Any] = {
        "img_size": 112, "patch_size": PATCH, "embed_dim": WIDTH, "depth": DEPTH,
        "num_heads": HEADS, "num_classes": 512,
    }  # fmt: skip
    if clip:
        norm = {"norm_layer": nn.LayerNorm, "act_layer": QuickGELU}
        sizes |= {"pre_norm": True, "global_pool": "token", **norm}
    model = vision.VisionTransformer(**{**sizes, **changes}).eval()
    for parameter in model.parameters():
        parameter.data = torch.randn_like(parameter) * (0.2 if parameter.dim() > 1 else 1.0)
    return model

"""A unified model that runs in milliseconds, with every number different."""

from __future__ import annotations

from typing import Any

import torch

from mtl.config.unified import UnifiedAttentionConfig, UnifiedBackboneConfig, UnifiedConfig
from mtl.models.unified import Unified

SKIPPING = {"name": "efficientnet_b0", "drop_path": 0.9}
"""A backbone that has blocks to skip; the small one has none."""


def small_config(
    backbone: dict[str, Any] | None = None, attention: dict[str, Any] | None = None, **changes: Any
) -> UnifiedConfig:
    """Few channels and other class counts than the published ones."""
    sizes: dict[str, Any] = {
        "num_det_classes": 3, "num_seg_classes": 5, "num_cls_classes": 4, "neck_width": 16,
        "segmentation_size": 48,
    }  # fmt: skip
    return UnifiedConfig(
        backbone=UnifiedBackboneConfig(**({"name": "test_efficientnet"} | (backbone or {}))),
        attention=UnifiedAttentionConfig(num_heads=2, head_width=8, **(attention or {})),
        **{**sizes, **changes},
    )


def small_model(config: UnifiedConfig | None = None, seed: int = 0) -> Unified:
    """In evaluation mode, with statistics and attention that a fresh model has not."""
    torch.manual_seed(seed)
    model = Unified(config or small_config())
    model.attention.to_qkv.weight.data *= 20
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1)
        elif name.endswith("running_var"):
            buffer.uniform_(0.8, 1.2)
    return model.eval()


def pictures(side: int = 64, batch: int = 2, seed: int = 1) -> torch.Tensor:
    return torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(seed))

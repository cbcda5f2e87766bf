"""A HIPTrack small enough for tests, and clips of noise for it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mtl.config.schema import ConditionHeadConfig, HIPTrackConfig
from mtl.models.hiptrack import HIPTrack

SMALL: dict[str, Any] = {
    "template": {"size": 32, "factor": 2.0},
    "search": {"size": 64, "factor": 4.0},
    "backbone": {
        "width": 32,
        "depth": 3,
        "num_heads": 2,
        "patch_size": 8,
        "drop_path": 0.0,
        "elimination_blocks": (1, 2),
    },
    "box_head": {"channels": 16},
    "prompt": {"key_width": 8, "encoder_width": 4},
    "memory": {"capacity": 3, "update_interval": 2},
}


SMALL_HEAD = ConditionHeadConfig(hidden_width=8)


def small_config(**changes: Any) -> HIPTrackConfig:
    """The small config with top-level keys replaced, `backbone` keys merged."""
    values = {**SMALL, **changes}
    values["backbone"] = {**SMALL["backbone"], **changes.get("backbone", {})}
    return HIPTrackConfig(**values)


def small_model(
    config: HIPTrackConfig | None = None,
    head: ConditionHeadConfig | None = SMALL_HEAD,
    seed: int = 0,
) -> HIPTrack:
    """A model of the small config whose weights depend on the seed alone."""
    torch.manual_seed(seed)
    return HIPTrack(config or small_config(), head)


def noise_clip(
    config: HIPTrackConfig, batch: int = 2, frames: int = 3, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Template, search and template boxes for `HIPTrack.forward`."""
    generator = torch.Generator().manual_seed(seed)
    z, s = config.template.size, config.search.size
    template = torch.randn(batch, 3, z, z, generator=generator)
    search = torch.randn(batch, frames, 3, s, s, generator=generator)
    return template, search, torch.tensor([[0.3, 0.2, 0.4, 0.5]]).expand(batch, -1)

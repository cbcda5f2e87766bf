"""Trackers small enough for tests, and clips of noise for them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mtl.config.schema import ConditionHeadConfig, HIPTrackConfig, SimTrackConfig, TrackerConfig
from mtl.models.hiptrack import HIPTrack
from mtl.models.simtrack import SimTrack

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

SMALL_SIMTRACK: dict[str, Any] = {
    "template": {"size": 40, "factor": 2.0},
    "search": {"size": 64, "factor": 4.0},
    "backbone": {"width": 32, "depth": 2, "num_heads": 2, "patch_size": 8, "fovea": 16},
    "bottleneck_width": 16,
    "box_head_channels": 16,
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


def small_simtrack_config(**changes: Any) -> SimTrackConfig:
    """The small SimTrack with top-level keys replaced, `backbone` keys merged."""
    values = {**SMALL_SIMTRACK, **changes}
    values["backbone"] = {**SMALL_SIMTRACK["backbone"], **changes.get("backbone", {})}
    return SimTrackConfig(**values)


def small_simtrack(
    config: SimTrackConfig | None = None,
    head: ConditionHeadConfig | None = SMALL_HEAD,
    seed: int = 0,
) -> SimTrack:
    """A model of the small config whose weights depend on the seed alone."""
    torch.manual_seed(seed)
    return SimTrack(config or small_simtrack_config(), head)


def noise_clip(
    config: TrackerConfig, batch: int = 2, frames: int = 3, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Template, search and template boxes for a tracker's `forward`."""
    generator = torch.Generator().manual_seed(seed)
    z, s = config.template.size, config.search.size
    template = torch.randn(batch, 3, z, z, generator=generator)
    search = torch.randn(batch, frames, 3, s, s, generator=generator)
    return template, search, torch.tensor([[0.3, 0.2, 0.4, 0.5]]).expand(batch, -1)

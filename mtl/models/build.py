"""From a config to its model."""

from __future__ import annotations

from typing import cast

from torch import nn

from mtl.config.schema import HIPTrackConfig, RunConfig
from mtl.models.hiptrack import HIPTrack


def build_model(config: RunConfig) -> nn.Module:
    """The model of the config's family, freshly initialised from torch's random state."""
    answers = config.traits.answers or "classes"
    return HIPTrack(cast(HIPTrackConfig, config.model), config.condition_head, answers)

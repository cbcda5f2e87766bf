"""From a config to its model."""

from __future__ import annotations

from torch import nn

from mtl.config.schema import HIPTrackConfig, RunConfig
from mtl.models.hiptrack import HIPTrack
from mtl.models.simtrack import SimTrack


def build_model(config: RunConfig) -> nn.Module:
    """The model of the config's family, freshly initialised from torch's random state."""
    answers = config.traits.answers or "classes"
    if isinstance(config.model, HIPTrackConfig):
        return HIPTrack(config.model, config.condition_head, answers)
    return SimTrack(config.model, config.condition_head, answers)

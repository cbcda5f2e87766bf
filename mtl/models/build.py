"""From a config to its model."""

from __future__ import annotations

from mtl.config.schema import ConditionHeadConfig, ModelConfig
from mtl.models.hiptrack import HIPTrack

FAMILIES = {"hiptrack": HIPTrack}


def build_model(model: ModelConfig, head: ConditionHeadConfig) -> HIPTrack:
    """The model of the config's family, freshly initialised from torch's random state."""
    return FAMILIES[model.family](model, head)

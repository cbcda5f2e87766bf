"""From a config to its model."""

from __future__ import annotations

from torch import nn

from mtl.config.schema import HIPTrackConfig, RunConfig
from mtl.config.tracker_run import as_tracker
from mtl.config.unified_run import UnifiedRunConfig
from mtl.models.hiptrack import HIPTrack
from mtl.models.simtrack import SimTrack
from mtl.models.unified.unified import Unified


def build_model(config: RunConfig) -> nn.Module:
    """The model of the config's family, freshly initialised from torch's random state."""
    if isinstance(config, UnifiedRunConfig):
        return Unified(config.model)
    tracker = as_tracker(config, "the config")
    answers = tracker.traits.answers or "classes"
    if isinstance(tracker.model, HIPTrackConfig):
        return HIPTrack(tracker.model, tracker.condition_head, answers)
    return SimTrack(tracker.model, tracker.condition_head, answers)

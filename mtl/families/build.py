"""From a config to its family."""

from __future__ import annotations

from mtl.config.run import RunConfig
from mtl.config.tracker_run import as_tracker
from mtl.config.unified_run import UnifiedRunConfig
from mtl.families.family import Family
from mtl.families.sequential import SequentialFamily
from mtl.families.trackers import TrackerFamily
from mtl.families.unified import UnifiedFamily


def family_of(config: RunConfig) -> Family:
    """The family that a run's config names."""
    if isinstance(config, UnifiedRunConfig):
        sequential = config.train_type == "sequential"
        return SequentialFamily(config) if sequential else UnifiedFamily(config)
    return TrackerFamily(as_tracker(config, f"run '{config.name}'"))

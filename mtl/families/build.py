"""From a config to its family."""

from __future__ import annotations

from mtl.config.run import RunConfig
from mtl.config.tracker_run import as_tracker
from mtl.config.unified_run import UnifiedRunConfig
from mtl.families.family import Family
from mtl.families.trackers import TrackerFamily
from mtl.families.unified import UnifiedFamily


def family_of(config: RunConfig) -> Family:
    """The family that a run's config names."""
    if isinstance(config, UnifiedRunConfig):
        return UnifiedFamily(config)
    return TrackerFamily(as_tracker(config, f"run '{config.name}'"))

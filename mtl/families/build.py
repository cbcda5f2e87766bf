"""From a config to its family."""

from __future__ import annotations

from mtl.config.run import RunConfig
from mtl.config.tracker_run import as_tracker
from mtl.families.family import Family
from mtl.families.trackers import TrackerFamily


def family_of(config: RunConfig) -> Family:
    """The family that a run's config names."""
    return TrackerFamily(as_tracker(config, f"run '{config.name}'"))

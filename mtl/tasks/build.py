"""From a config to its family's task."""

from __future__ import annotations

from mtl.config.schema import TrackerRunConfig
from mtl.data.frame_index import FrameIndex
from mtl.tasks.task import Task
from mtl.tasks.tracking import HIPTrackTask, TrackingTask

FAMILIES = {"hiptrack": HIPTrackTask, "simtrack": TrackingTask}


def build_task(config: TrackerRunConfig, index: FrameIndex) -> Task:
    """The task of the config's model family over the sequences of `index`."""
    return FAMILIES[config.model.family](config, index)

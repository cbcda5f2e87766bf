"""What a metric of validation depends on besides what was learnt.

A trial that is validated on easier clips, or by another loss, is not better for a better number.
"""

from __future__ import annotations

from collections.abc import Iterable

from mtl.config.run import RunConfig
from mtl.config.tracker_run import TrackerRunConfig
from mtl.errors import ConfigError
from mtl.tasks.reported import epoch_metrics
from tune.fixed import among, differing

CLIPS = (
    *("augmentation.gray_probability", "augmentation.flip_probability"),
    *("augmentation.scale_jitter", "augmentation.center_jitter"),
    *("augmentation.reverse_probability", "model.search_frames"),
)
"""What validation clips of trackers are drawn and changed by; online tracking has no clips."""
TRACKER_LOSSES: dict[str, tuple[str, ...]] = {
    "loss/total": ("mode", "loss", "weighting"),
    "loss/classification": (
        *("mode", "loss.classification", "loss.focal_gamma"),
        *("loss.label_smoothing", "loss.class_weights"),
    ),
}
UNIFIED: dict[str, tuple[str, ...]] = {
    "score": ("train_type", "retention"),
    "loss/total": ("train_type", "retention", "loss", "weighting"),
    "loss/detection": ("loss.detection",),
    "loss/segmentation": ("model.background",),
    "loss/classification": ("loss.classification", "model.pooling"),
}
"""Keys, with all below them, that change what a metric says of one and the same model."""


def yardstick(metric: str, config: RunConfig) -> tuple[str, ...]:
    """Keys that decide what a metric of a run measures."""
    if not isinstance(config, TrackerRunConfig):
        return UNIFIED.get(metric, ())
    if metric not in epoch_metrics(config):
        return ()
    return CLIPS + TRACKER_LOSSES.get(metric, ())


def require_one_yardstick(metric: str, where: str, runs: Iterable[RunConfig]) -> None:
    """Refuse a metric that runs would be measured by in different ways.

    Args:
        metric: its name.
        where: the key of the search that names it.
        runs: the run of a search, then what its parameters make of it.

    Raises:
        ConfigError: names the key that differs.
    """
    base, *others = runs
    keys = yardstick(metric, base)
    if not keys:
        return
    for run in others:
        for key, mine, other in differing(base, run):
            if among(key, keys):
                raise ConfigError(
                    f"{where}: '{metric}' is another measure with {key}={other} than with {mine}, "
                    f"so it cannot compare trials; leave {key} out of space, or "
                    f"{_instead(metric, base)}."
                )


def _instead(metric: str, base: RunConfig) -> str:
    if not isinstance(base, TrackerRunConfig):
        return "name a metric of one task (map, miou, top1)"
    if metric.startswith("loss/"):
        return "name a metric that is no loss"
    return "judge by ao with scheduler=none"

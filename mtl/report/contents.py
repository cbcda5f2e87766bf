"""What the report of a run shows of each family."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mtl.conditions import CONDITIONS
from mtl.report.final_scores import evaluation_section
from mtl.report.html import Html
from mtl.report.metrics import History
from mtl.report.tracking import tracking_section
from mtl.report.values import label


@dataclass(frozen=True)
class Contents:
    """Names and metrics, in the order in which they are shown; what was not measured is left out.

    Attributes:
        best: (title, metric) of the tiles with the best validation value.
        final: (title, metric) of the tiles of the final evaluation.
        final_name: what that evaluation is called.
        final_unit: what it looks at.
        charts: metrics with a chart of their own.
        table: metrics of the table of last and best values.
        unit_interval: metrics in [0, 1], whose axis shows all of it.
        marked: metrics whose best value is picked out.
        chance: metric -> its value by chance.
        final_section: the part of the page about the final evaluation, from history and results.
        pictures: title of the part with pictures.
        labels: names of metrics that are called otherwise than everywhere.
        stages: those of the config that are of the run, or of runs before it; none: all.
    """

    best: tuple[tuple[str, str], ...]
    final: tuple[tuple[str, str], ...]
    final_name: str
    final_unit: str
    charts: tuple[str, ...]
    table: tuple[str, ...]
    unit_interval: tuple[str, ...]
    marked: tuple[str, ...]
    chance: dict[str, float]
    final_section: Callable[[History, Path], Html]
    pictures: str
    labels: dict[str, str] = field(default_factory=dict)
    stages: tuple[str, ...] | None = None

    def label(self, name: str) -> str:
        """What a metric is called."""
        return self.labels.get(name, label(name))


TRACKERS = Contents(
    best=(
        ("Best IoU, validation", "iou"),
        ("Best accuracy, validation", "accuracy"),
        ("Lowest total loss, validation", "loss/total"),
    ),
    final=(("Average overlap (AO)", "ao"), ("Frames per second", "fps")),
    final_name="tracking",
    final_unit="sequences",
    charts=(
        "loss/total",
        "iou",
        "accuracy",
        "attribute_f1",
        "loss/giou",
        "loss/l1",
        "loss/location",
        "loss/classification",
        "loss/severity",
        "learning_rate",
    ),
    table=(
        "loss/total",
        "loss/giou",
        "loss/l1",
        "loss/location",
        "loss/classification",
        "loss/severity",
        "iou",
        "accuracy",
        "balanced_accuracy",
        "attribute_accuracy",
        "attribute_f1",
    ),
    unit_interval=("iou", "accuracy", "attribute_f1"),
    marked=("loss/total", "iou", "accuracy", "attribute_f1"),
    chance={"accuracy": 1 / len(CONDITIONS)},
    final_section=tracking_section,
    pictures="Tracked frames",
)

_UNIFIED_LOSSES = (
    "loss/detection",
    "loss/segmentation",
    "loss/classification",
    "loss/distillation_det",
    "loss/distillation_seg",
    "loss/distillation_cls",
    "loss/consolidation",
)
UNIFIED = Contents(
    best=(
        ("Best mAP, validation", "map"),
        ("Best mIoU, validation", "miou"),
        ("Best top-1, validation", "top1"),
    ),
    final=(("Average change against teachers (Δm)", "delta_m"), ("Mean of the tasks", "score")),
    final_name="evaluation",
    final_unit="images",
    charts=("loss/total", "score", "map", "miou", "top1", *_UNIFIED_LOSSES, "learning_rate"),
    table=("loss/total", *_UNIFIED_LOSSES, "map", "map_50", "miou", "miou_merged", "top1", "score"),
    unit_interval=("miou", "top1", "score"),
    marked=("loss/total", "map", "miou", "top1", "score"),
    chance={},
    final_section=evaluation_section,
    pictures="Answers beside the truth",
    labels={"loss/classification": "Classification loss"},
)

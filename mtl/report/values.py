"""Names and numbers as a reader sees them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

MISSING = "–"
"""Stands for what was not measured; a 0 is always a measured 0."""

LABELS = {
    "loss/total": "Total loss",
    "loss/giou": "GIoU loss",
    "loss/l1": "L1 loss",
    "loss/location": "Location loss",
    "loss/classification": "Condition loss",
    "loss/severity": "Severity loss",
    "loss/detection": "Detection loss",
    "loss/segmentation": "Segmentation loss",
    "loss/distillation_det": "Distillation loss, detection",
    "loss/distillation_seg": "Distillation loss, segmentation",
    "loss/distillation_cls": "Distillation loss, classification",
    "loss/consolidation": "Consolidation loss",
    "map": "mAP",
    "map_50": "mAP50",
    "map_75": "mAP75",
    "map_misread_boxes": "mAP of misread boxes",
    "miou": "mIoU",
    "miou_merged": "mIoU, merged background",
    "top1": "Top-1 accuracy",
    "score": "Mean of the tasks",
    "delta_m": "Average change Δm",
    "ap/": "AP",
    "iou/": "IoU",
    "accuracy/": "Accuracy",
    "iou": "IoU",
    "accuracy": "Condition accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "attribute_accuracy": "Attribute accuracy",
    "attribute_f1": "Attribute F1",
    "learning_rate": "Learning rate",
    "samples_per_second": "Samples per second",
    "ao": "AO",
    "sr_50": "SR 0.50",
    "sr_75": "SR 0.75",
    "success_auc": "Success AUC",
    "precision_20": "Precision at 20 px",
    "norm_precision": "Normalised precision",
    "fps": "Frames per second",
    "sequences": "Sequences",
    "sequences_left_out": "Left out",
    "seconds": "Time",
    "samples": "Samples",
    "step": "Steps",
    "skipped": "Items skipped",
}
SPLIT_LABELS = {"train": "training", "val": "validation", "test": "test"}


LEAST_WEIGHT = 0.05
"""A task that weighs less hardly learns, and is pointed out."""


def low_weights(line: Mapping[str, Any]) -> dict[str, float]:
    """Tasks of a metrics line whose weight is below `LEAST_WEIGHT`."""
    weights = {k.removeprefix("weight/"): v for k, v in line.items() if k.startswith("weight/")}
    return {k: v for k, v in weights.items() if v is not None and v < LEAST_WEIGHT}


def label(name: str) -> str:
    """What a metric is called in the report; an unknown one keeps its name."""
    return LABELS.get(name, name)


def words(name: str) -> str:
    """A condition's name as words."""
    return name.replace("_", " ")


def number(value: float | int | None) -> str:
    """A number at a precision worth reading; `MISSING` for none."""
    if value is None:
        return MISSING
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("∞" if value > 0 else "-∞")
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", "\u202f")
    size = abs(value)
    if size and size < 1e-3:
        digits, exponent = f"{value:.2e}".split("e")
        return f"{digits.rstrip('0').rstrip('.')}e{int(exponent)}"
    return f"{value:.{3 if size < 10 else 2 if size < 100 else 1}f}"


def duration(seconds: float | None) -> str:
    """Seconds as hours, minutes and seconds."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"

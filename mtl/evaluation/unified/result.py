"""What an evaluation of unified models found, for tables, files and the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from mtl.config.unified import UnifiedTaskName
from mtl.evaluation.unified.measured import Measured

MAIN_METRIC: dict[UnifiedTaskName, str] = {"det": "map", "seg": "miou", "cls": "top1"}
"""The metric of each task that `score` averages and drops are told of."""

RULES = {
    "map": "mean over classes and IoU 0.50 to 0.95 of COCO's average precision, 101 recall points, "
    "at most 100 boxes an image and class; boxes in pixels of the original image",
    "map_50": "as map, at IoU 0.50",
    "map_75": "as map, at IoU 0.75",
    "map_misread_boxes": "as map, but with boxes in pixels of the letterboxed square the network "
    "sees and their corner coordinates read as corner and size, as the published programs print "
    "it; stretched boxes overlap more, so it is higher than map and for comparison with published "
    "tables only",
    "miou": "pixels of all images pooled, then the mean IoU over all classes with background, at "
    "the size the network sees; pixels of value 255 are not counted",
    "miou_merged": "as miou, with background and the first class as one class",
    "top1": "share of images whose likeliest class is the true one",
}
"""How each metric is taken, in words."""

Verdict = Literal["better", "worse", "no difference", "too few images"]


class TeacherResult(NamedTuple):
    """A teacher on its task."""

    source: str
    digest: str
    value: Measured
    """Its main metric."""


class Scores(NamedTuple):
    """What was measured of one model on one split."""

    metrics: dict[str, Measured]
    """By public name, those of classes as in `ap/<class>`."""
    teachers: dict[UnifiedTaskName, Measured]
    """Main metric of each teacher."""
    drops: dict[UnifiedTaskName, Measured]
    """(teacher - model) / teacher of the main metric."""
    delta_m: Measured | None
    """Average relative change against the teachers; none without teachers."""


class SetFacts(NamedTuple):
    """The set of one task that models were asked about."""

    root: str
    split: str
    images: int
    """Images that count."""
    unreadable: int
    """Images left out of every number because they could not be read."""
    class_names: tuple[str, ...]
    counts: dict[str, str]
    """What there is of each class, in words, as in `12 boxes in 8 images`."""


class ModelResult(NamedTuple):
    """One model of an evaluation."""

    name: str
    source: str
    digest: str
    sides: Mapping[UnifiedTaskName, int]
    """Side in pixels of the images of each task it answered."""
    scores: Scores
    teachers: dict[UnifiedTaskName, TeacherResult]
    class_confusion: np.ndarray | None
    """(C, C) int64 of the classification set, [true, predicted]; none if it was not asked."""
    pixel_confusion: np.ndarray | None
    """(C, C) int64 of the segmentation set, [true, predicted]; none if it was not asked."""


class UnifiedResult(NamedTuple):
    """A whole evaluation: all models on the same images."""

    split: str
    sets: dict[UnifiedTaskName, SetFacts]
    skipped: dict[str, int]
    """Reason -> items that the readers left out."""
    models: tuple[ModelResult, ...]
    differences: dict[str, dict[str, Measured]]
    """Name of a further model -> metric -> what it has more than the first, paired by image."""


def verdict(difference: Measured) -> Verdict:
    """What the interval of a difference says of the second of two models."""
    interval = difference.interval()
    if interval is None:
        return "too few images"
    if interval.low > 0:
        return "better"
    return "worse" if interval.high < 0 else "no difference"

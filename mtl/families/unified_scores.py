"""From the answers to a split to its numbers: the one way, of a run and of a command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mtl.config.unified import UNIFIED_TASKS, UnifiedConfig, UnifiedTaskName
from mtl.config.unified_run import UnifiedRunConfig
from mtl.data.unified.index import UnifiedIndex
from mtl.errors import DataError
from mtl.evaluation.unified.boxes import TrueBoxes, from_rows
from mtl.evaluation.unified.measured import Measured, delta_m, relative_drop
from mtl.evaluation.unified.per_image import image_ious, image_precisions
from mtl.evaluation.unified.result import MAIN_METRIC, Scores
from mtl.families.unified_answering import Gathered
from mtl.tasks.task import Metrics
from mtl.tasks.unified import sides_of
from mtl.tasks.unified_answers import UnifiedAnswers, score_of

RESAMPLES = 2000
"""Of the bootstrap intervals of an evaluation."""

COUNTS: dict[UnifiedTaskName, str] = {
    "det": "num_det_classes",
    "seg": "num_seg_classes",
    "cls": "num_cls_classes",
}
"""Key of the network's number of classes of each task."""

ByTask = Mapping[UnifiedTaskName, np.ndarray]
"""Answers to all images of a task, (N, ...)."""


class WrongCount(NamedTuple):
    """A set with another number of classes than the network."""

    task: UnifiedTaskName
    key: str
    """Of the network's number of classes."""
    wanted: int
    """As the set has, without background where the network has none of its own."""
    got: int


def wrong_count(model: UnifiedConfig, index: UnifiedIndex) -> WrongCount | None:
    """The first task of which network and set have different numbers of classes."""
    for task, names in index.class_names.items():
        merged = task == "seg" and model.background == "merged"
        wanted, got = len(names) - merged, getattr(model, COUNTS[task])
        if wanted != got:
            return WrongCount(task, f"model.{COUNTS[task]}", wanted, got)
    return None


def readable_images(
    index: UnifiedIndex, found: Sequence[Mapping[UnifiedTaskName, Gathered]]
) -> dict[UnifiedTaskName, np.ndarray]:
    """Rows of the images that everyone who was asked could read, by task.

    Raises:
        DataError: if there is no such image of a task.
    """
    rows = {}
    for task in UNIFIED_TASKS:
        masks = [one[task].readable for one in found if task in one]
        if masks:
            rows[task] = np.flatnonzero(np.all(masks, axis=0))
            if not len(rows[task]):
                raise DataError(
                    f"no {task} image of the split can be read; correct the data, the reasons are "
                    "told with data.on_error=stop."
                )
    return rows


def score_model(
    config: UnifiedRunConfig,
    index: UnifiedIndex,
    answers: ByTask,
    teachers: ByTask,
    resamples: int = RESAMPLES,
) -> Scores:
    """Metrics of a model with intervals, and what it loses beside its teachers.

    Args:
        config: of the model.
        index: of the images that count.
        answers: of the model to these images.
        teachers: of the teacher of each task that has one.
        resamples: of the intervals.
    """
    judge = UnifiedAnswers(config.model, index, sides_of(config))
    mine = judge.metrics(answers, resamples) | judge.published_metrics(answers, resamples)
    theirs = judge.metrics(teachers, resamples) if teachers else {}
    taught: dict[UnifiedTaskName, Measured] = {}
    drops: dict[UnifiedTaskName, Measured] = {}
    pairs: dict[str, tuple[Measured, Measured]] = {}
    for task in UNIFIED_TASKS:
        name = MAIN_METRIC[task]
        if name in mine and name in theirs:
            taught[task] = theirs[name]
            drops[task] = relative_drop(mine[name], theirs[name])
            pairs[name] = (mine[name], theirs[name])
    return Scores(mine, taught, drops, delta_m(pairs) if pairs else None)


def metrics_of(scores: Scores) -> Metrics:
    """Scores by the names that lines of metrics have, with the ends of the main ones' intervals."""
    metrics: Metrics = {name: one.value for name, one in scores.metrics.items()}
    if (score := score_of(metrics)) is not None:
        metrics["score"] = score
    judged = {name: one for name, one in scores.metrics.items() if "/" not in name}
    for task, one in scores.teachers.items():
        metrics[f"teacher/{MAIN_METRIC[task]}"] = one.value
        judged[f"drop/{MAIN_METRIC[task]}"] = scores.drops[task]
    if scores.delta_m is not None:
        judged["delta_m"] = scores.delta_m
    for name, one in judged.items():
        metrics[name] = one.value
        if interval := one.interval():
            metrics[f"{name}_low"], metrics[f"{name}_high"] = interval
    return metrics


def image_scores(index: UnifiedIndex, answers: ByTask) -> dict[UnifiedTaskName, np.ndarray]:
    """(N,) score of each image by task: AP, mean IoU, or 1 where the class is right."""
    scores: dict[UnifiedTaskName, np.ndarray] = {}
    det, cls = index.det, index.cls
    if det is not None and "det" in answers:
        truth = TrueBoxes(det.boxes_xywh, det.classes, det.box_images, det.crowd)
        found = from_rows(answers["det"])
        scores["det"] = image_precisions(truth, found, len(det), len(det.class_names))
    if "seg" in answers:
        scores["seg"] = image_ious(answers["seg"])
    if cls is not None and "cls" in answers:
        scores["cls"] = (answers["cls"].astype(np.int64) - 1 == cls.labels).astype(np.float64)
    return scores

"""What each choice of `unified_plus` is worth: `python tests/benchmarks/unified_choices.py ...`.

The preset is trained as it is, and again with one of its choices at a time as published (or as
another alternative says), all on features of a frozen backbone that are computed once: no
augmentation, no learning backbone, so these are directions and no results. A row is the mean of
several seeds at the last epoch, on the validation split, with the least and the largest beside it;
the rows of distillation are taught by single-task models that are trained in the same way. What
changes detection only is compared with the preset trained on detection alone.

ROOT holds `mini_coco_det`, `mini_voc_seg` and `imagenette-160`; INIT is what `mtl import --family
unified --config unified_plus model.backbone.name=... --out INIT` has made.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mtl.config.load import load
from mtl.config.unified import UNIFIED_TASKS, UnifiedTaskName
from mtl.config.unified_run import UnifiedRunConfig
from mtl.cpu import set_up_cpu
from mtl.data.collate import collate
from mtl.families.unified import UnifiedFamily
from mtl.models.unified.backbone import Features
from mtl.models.unified.unified import Unified
from mtl.models.weights.start import start_from
from mtl.tasks.task import Batch, Metrics, Moment, TaskLosses
from mtl.tasks.teachers import Teachers, joint_lessons
from mtl.tasks.unified import UnifiedTask
from mtl.training.loop import train
from mtl.training.numbers import training_numbers, validation_numbers
from mtl.training.run import Run
from mtl.training.seeding import seed_weights
from mtl.training.state import TrainingState

PLAIN = "loss.distillation.weight=0"
ALONE = "train_type=det"
CHOICES: dict[str, tuple[str, ...]] = {
    "detection alone": (ALONE,),
    "box slots: the first learns, all answer": (
        ALONE, "loss.detection.slots=first", "loss.detection.assignment=first_free",
    ),
    "box slots: the first learns and answers": (
        ALONE, "loss.detection.slots=first", "loss.detection.assignment=first_free",
        "model.boxes.slots=first",
    ),
    "assignment: first free slot": (ALONE, "loss.detection.assignment=first_free"),
    "assignment: responsible slot": (ALONE, "loss.detection.assignment=responsible"),
    "boxes: squared error": (ALONE, "loss.detection.box=squared"),
    "boxes: GIoU": (ALONE, "loss.detection.box=giou"),
    "confidence: squared error": (ALONE, "loss.detection.confidence=squared"),
    "confidence: binary cross-entropy": (
        ALONE, "loss.detection.confidence=binary_cross_entropy",
    ),
    "confidence: binary cross-entropy, the beginning a half": (
        ALONE, "loss.detection.confidence=binary_cross_entropy", "model.initial_confidence=null",
    ),
    "confidence at the beginning: a half": (ALONE, "model.initial_confidence=null"),
    "confidence of an object: 1": (ALONE, "loss.detection.confidence_target=one"),
    "box classes: squared error": (ALONE, "loss.detection.classes=squared"),
    "box classes: cross-entropy": (ALONE, "loss.detection.classes=cross_entropy"),
    "class score: softmax of sigmoids": (ALONE, "model.boxes.class_score=softmax_of_sigmoids"),
    "head: 64 channels a group, boxes alone": (ALONE, "model.head.group_width=64"),
    "suppression: across classes": (ALONE, "model.boxes.nms=class_agnostic"),
    "suppression: without a vote": (ALONE, "model.boxes.voting_iou=null"),
    "detection loss over: cells": (ALONE, "loss.detection.divide_by=cells"),
    "unified_plus, no teachers": (PLAIN,),
    "image classes: thresholded pooling": (
        PLAIN, "model.pooling.kind=threshold", "loss.classification=pooled",
    ),
    "background: merged": (
        PLAIN, "model.background=merged", "model.num_seg_classes=20",
        "model.boxes.least_region=null",
    ),
    "boxes: of cells alone": (PLAIN, "model.boxes.least_region=null"),
    "features: stride 32": (PLAIN, "model.backbone.features=stride_32"),
    "normalisation beyond the backbone: frozen": (PLAIN, "model.normalization=frozen"),
    "attention: split heads": (PLAIN, "model.attention.heads=split"),
    "attention: knows position": (PLAIN, "model.attention.position=sine"),
    "head: four groups": (PLAIN, "model.head.groups=4"),
    "task weights: fixed": (PLAIN, "weighting={kind: fixed}"),
    "task weights: without a floor": (PLAIN, "weighting.floor=0"),
    "task weights: uncertainty": (PLAIN, "weighting={kind: uncertainty}"),
    "unified_plus": (),
    "teachers: of the other tasks": ("loss.distillation.teachers=other_tasks",),
    "teachers: squared error": (
        "loss.distillation.scores=squared", "loss.distillation.detection=squared",
    ),
    "teachers: nine passes": ("loss.distillation.separate_passes=true",),
}  # fmt: skip
"""What is trained, by what a row says; words on top of the preset."""
COLUMNS = ("top1", "miou", "miou_merged", "map", "map_50")
KEEP = "stages.{stage}.freeze={{backbone: {{}}}}"


class FrozenUnified(Unified):
    """The model over features that are known: those of the rows it was told to look at."""

    rows: dict[UnifiedTaskName, Tensor]
    known: dict[UnifiedTaskName, Features]
    whose: dict[int, UnifiedTaskName]
    """Task of the images by the batch's id: a teacher answers images of other tasks as its own."""

    def features(self, images: Tensor, task: UnifiedTaskName) -> Features:
        """Features of the rows; the pixels do not matter."""
        owner = self.whose[id(images)]
        own, rows = self.known[owner], self.rows[owner]
        laterals = own.laterals if self.looks_at_laterals else ()
        return Features(own.last[rows], tuple(lateral[rows] for lateral in laterals))


class Split(NamedTuple):
    """A split whose images have been looked at."""

    samples: list[dict]  # type: ignore[type-arg]
    features: dict[UnifiedTaskName, Features]


class FrozenTask(UnifiedTask):
    """The task on known features."""

    train: Split
    val: Split
    watchers: tuple[FrozenUnified, ...] = ()
    asked: FrozenUnified

    def losses(self, model: nn.Module, batch: Batch, moment: Moment) -> TaskLosses:
        """Losses of the rows in the batch."""
        split = self.train if moment.training else self.val
        assert isinstance(model, FrozenUnified)
        for one in (model, *self.watchers):
            one.rows = {task: batch[f"{task}_index"] for task in self.config.tasks}
            one.known, one.whose = split.features, {}
        self.asked = model
        return super().losses(model, batch, moment)

    def _images(self, batch: Batch, task: UnifiedTaskName) -> Tensor:
        images = super()._images(batch, task)
        for one in (self.asked, *self.watchers):
            one.whose[id(images)] = task
        return images


class FrozenBatches:
    """Batches of samples that are kept, in another order each epoch."""

    def __init__(self, config: UnifiedRunConfig, train: Split, val: Split) -> None:
        self._config, self._train, self._val = config.training, train, val

    def training(self, first_step: int, last_step: int) -> Iterator[Batch]:
        """See `mtl.training.run.Batches`."""
        c = self._config
        count = len(self._train.samples)
        for row in training_numbers(first_step, last_step, c.batch_size, c.accumulate, 0, 1):
            yield _batch(self._train, [_shuffled(int(n), count) for n in row])

    def validation(self) -> Iterator[Batch]:
        """See `mtl.training.run.Batches`."""
        for row in validation_numbers(len(self._val.samples), 6, 0, 1):
            yield _batch(self._val, [int(n) for n in row])


class Silent:
    """Tells and keeps nothing."""

    def progress(self, *_: object) -> None:
        """Nothing."""

    def checkpoint(self, *_: object) -> None:
        """Nothing."""


def _shuffled(number: int, count: int) -> int:
    """Which of `count` images a sample number shows: classes lie together on the disk."""
    epoch, place = divmod(number, count)
    return int(np.random.default_rng(epoch).permutation(count)[place])


def _batch(split: Split, numbers: Sequence[int]) -> Batch:
    rows = [split.samples[number] for number in numbers]
    return {name: torch.from_numpy(array) for name, array in collate(rows).items()}


def look(config: UnifiedRunConfig) -> tuple[Split, Split]:
    """Both splits, each image once, through the backbone of `model.init`."""
    family = UnifiedFamily(config)
    indices = family.indices()
    assert indices.val is not None
    assert config.model.init is not None
    model = Unified(config.model)
    start_from(model, Path(config.model.init))
    model.eval()
    task = UnifiedTask(config, indices.train, indices.val)
    splits = []
    for index in (indices.train, indices.val):
        sampler = family.sampler(index, training=False)
        count = min(index.lengths[name] for name in UNIFIED_TASKS)
        samples = [sampler.sample(number) for number in range(count)]
        found: dict[UnifiedTaskName, list[Features]] = {name: [] for name in UNIFIED_TASKS}
        for sample in samples:
            batch = {name: torch.from_numpy(array) for name, array in collate([sample]).items()}
            with torch.no_grad():
                for name in UNIFIED_TASKS:
                    found[name].append(model.features(task._images(batch, name), name))
        splits.append(Split(samples, {name: _stacked(found[name]) for name in UNIFIED_TASKS}))
    return splits[0], splits[1]


def _stacked(features: list[Features]) -> Features:
    laterals = zip(*(one.laterals for one in features), strict=True)
    return Features(torch.cat([one.last for one in features]), tuple(map(torch.cat, laterals)))


def trained(
    config: UnifiedRunConfig,
    splits: tuple[Split, Split],
    teachers: dict[UnifiedTaskName, FrozenUnified] | None = None,
) -> tuple[FrozenUnified, Metrics]:
    """A model trained on known features, and its last validation."""
    family = UnifiedFamily(config)
    indices = family.indices()
    lessons = None
    if teachers:
        asked = Teachers(teachers, dict.fromkeys(UNIFIED_TASKS, False))
        lessons = joint_lessons(asked, config.tasks, config.loss)
    task = FrozenTask(config, indices.train, indices.val, lessons)
    task.train, task.val = splits
    task.watchers = tuple((teachers or {}).values())
    seed_weights(config.seed)
    model = FrozenUnified(config.model)
    batches = FrozenBatches(config, *splits)
    run = Run(config, task, model, torch.device("cpu"), batches, Silent())
    state = train(run, TrainingState())
    return model, state.history[-1]


def main() -> None:
    """Print a row for each choice as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="ROOT")
    parser.add_argument("--init", required=True, metavar="INIT")
    parser.add_argument("--keys", nargs="*", default=[], help="key=value words for every row")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", nargs="*", help="beginnings of the rows that are wanted")
    options = parser.parse_args()
    set_up_cpu(1)
    data = options.data
    common = [
        f"data.det_root={data / 'mini_coco_det'}", f"data.seg_root={data / 'mini_voc_seg'}",
        f"data.cls_root={data / 'imagenette-160'}", f"model.init={options.init}",
        f"stages.teachers.epochs={options.epochs}", f"stages.joint.epochs={options.epochs}",
        KEEP.format(stage="teachers"), KEEP.format(stage="joint"), *options.keys,
    ]  # fmt: skip
    splits = look(config_of(common, PLAIN))
    teachers: dict[int, dict[UnifiedTaskName, FrozenUnified]] = {}
    print("| choice | " + " | ".join(COLUMNS) + " | CPU s |")
    print("| --- " * (len(COLUMNS) + 2) + "|", flush=True)
    for name, words in CHOICES.items():
        if options.only and not name.startswith(tuple(options.only)):
            continue
        found, start = [], time.process_time()
        for seed in range(options.seeds):
            seeded = [*common, f"seed={777 + seed}"]
            taught = not {PLAIN, ALONE} & set(words)
            if taught and seed not in teachers:
                teachers[seed] = {
                    task: trained(config_of(seeded, f"train_type={task}"), splits)[0]
                    for task in UNIFIED_TASKS
                }
                start = time.process_time()
            asked = teachers[seed] if taught else None
            found.append(trained(config_of(seeded, *words), splits, asked)[1])
        cells = [_cell([one[column] for one in found if column in one]) for column in COLUMNS]
        seconds = (time.process_time() - start) / options.seeds
        print(f"| {name} | {' | '.join(cells)} | {seconds:.0f} |", flush=True)


def _cell(values: Sequence[float]) -> str:
    if not values:
        return ""
    mean = f"{statistics.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f} to {max(values):.3f})"


def config_of(common: Sequence[str], *words: str) -> UnifiedRunConfig:
    """The preset with changes."""
    config = load("unified_plus", [*common, *words])
    assert isinstance(config, UnifiedRunConfig)
    return config


if __name__ == "__main__":
    main()

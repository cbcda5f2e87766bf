"""The unified model as a run sees it: three sets, their samples, teachers, and its evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from mtl.config.schema import RunConfig
from mtl.config.unified import UnifiedTaskName
from mtl.config.unified_run import UnifiedRunConfig
from mtl.data.unified.build import build_unified_index, local_unified_index
from mtl.data.unified.index import UnifiedIndex
from mtl.data.unified.sampler import UnifiedSampler
from mtl.data.unified.spread import spread_rows
from mtl.errors import ConfigError
from mtl.evaluation.unified.per_image import bad_and_good
from mtl.evaluation.unified.result import MAIN_METRIC
from mtl.families.family import Indices
from mtl.families.unified_answering import Answering, Answers, blocks_of, gather
from mtl.families.unified_pictures import draw_answer, titled
from mtl.families.unified_results import read_image_scores, write_results
from mtl.families.unified_scores import metrics_of, readable_images, score_model, wrong_count
from mtl.families.unified_teachers import (
    given_teachers,
    own_teachers,
    read_teacher,
    teacher_run,
    with_teachers,
)
from mtl.models.model_file import MODEL_FILE
from mtl.models.weights import start_from
from mtl.report.contents import UNIFIED, Contents
from mtl.report.frames import Picture
from mtl.tasks.reported import require_watched
from mtl.tasks.task import Metrics, Task
from mtl.tasks.teachers import Teachers, joint_lessons
from mtl.tasks.unified import UnifiedTask
from mtl.tracking.finished_model import FinishedModel, read_model, unified_classes_of_model


class Answered(NamedTuple):
    """Answers of the model of a run, or of one of its teachers."""

    of_teacher: bool
    answers: Answers


class UnifiedFamily:
    """See `mtl.families.family.Family`."""

    final_stage = "evaluation"
    pictures_need: tuple[str, ...] = (MODEL_FILE,)

    def __init__(self, config: UnifiedRunConfig) -> None:
        self.config = config

    def __reduce__(self) -> tuple[type, tuple[UnifiedRunConfig]]:
        """What was read stays in this process."""
        return type(self), (self.config,)

    @property
    def contents(self) -> Contents:
        """See `Family.contents`: of the tasks that are validated."""
        mine = [MAIN_METRIC[task] for task in self.config.validated]
        best = tuple(tile for tile in UNIFIED.best if tile[1] in mine)
        final = tuple(tile for tile in UNIFIED.final if tile[1] != "delta_m" or self.config.taught)
        stages = None if self.config.train_type == "all" else tuple(self.config.running_stages)
        return replace(UNIFIED, best=best, final=final, stages=stages)

    def first(self) -> list[RunConfig]:
        """The teachers that this run trains: runs of their own in its folder."""
        return [teacher_run(self.config, task) for task in self._own_teachers()]

    def prepared(self) -> UnifiedRunConfig:
        """The config with a place for every teacher."""
        config = self.config
        require_watched(config)
        if (method := config.retention.method) != "none":
            raise ConfigError(
                f"retention.method={method} is of a single run with train_type=sequential: give "
                f"that too, or, where cluster/retention.py compares methods, "
                f"retention.compare=[{method}]."
            )
        self._require_statistics()
        return with_teachers(config)

    def indices(self) -> Indices:
        """See `Family.indices`; of a longer set, val has `training.val_samples` images."""
        config = self.config
        train = self._index("train")
        for key, size, tasks in self._batches():
            require_images(train, key, size, tasks)
        whole = self._index("val") if config.training.val_samples else None
        val = None if whole is None else self._looked_at(whole)
        if val is not None:
            self._require_one_for_each_worker(val)
        final: dict[str, Any] = {}
        for split in config.evaluation.splits:
            final[split] = whole if split == "val" and whole else self._index(split)
        for other in (*final.values(), *([] if val is None else [val])):
            other.require_classes(train.class_names, "the training split")
        for task, place in self._given_teachers().items():
            names = unified_classes_of_model(place)
            train.only([task]).require_classes(names, f"teachers.{task}={place}")
        return Indices(train, val, final)

    def task(self, indices: Indices, device: torch.device) -> Task:
        """See `Family.task`."""
        config = self.config
        if not config.taught:
            return UnifiedTask(config, indices.train, indices.val)
        still = self.sampler(indices.train, training=True).still
        models = {task: found.model.to(device) for task, found in self._teachers.items()}
        teachers = Teachers(models, still)
        lessons = joint_lessons(teachers, config.tasks, config.loss)
        return UnifiedTask(config, indices.train, indices.val, lessons)

    def start(self, model: nn.Module) -> list[str]:
        """See `Family.start`: `model.init`."""
        init = self.config.model.init
        return start_from(model, Path(init)).told() if init else []

    def sampler(self, index: UnifiedIndex, training: bool) -> UnifiedSampler:
        """See `Family.sampler`: of the tasks that are trained, or of those that are validated."""
        config = self.config
        here = local_unified_index(config.data, index)
        return UnifiedSampler(
            here,
            config.augmentation,
            config.data,
            config.seed,
            training,
            config.tasks if training else config.validated,
        )

    def val_samples(self, index: UnifiedIndex) -> int:
        """See `Family.val_samples`: every image of every set that `indices` left in it."""
        return max(index.lengths[task] for task in self.config.validated)

    def size(self, index: UnifiedIndex) -> str:
        """See `Family.size`."""
        counts = [f"{index.lengths[task]} {task}" for task in self.config.learned]
        return f"{', '.join(counts)} images"

    def evaluate_share(
        self,
        model: nn.Module,
        index: UnifiedIndex,
        device: torch.device,
        rank: int,
        size: int,
        out: Path,
    ) -> list[Answered]:
        """See `Family.evaluate_share`: answers of the model and, on its own task, each teacher.

        A teacher sees images of the sizes that it was trained with, and decodes as it did then.
        """
        config = self.config
        here = local_unified_index(config.data, index)
        student = Answering(config, model, here, device, index.class_names)
        asked = [(False, student, config.learned)]
        if config.taught:
            for task, found in self._teachers.items():
                assert isinstance(found.config, UnifiedRunConfig)  # `read_learned` refuses others
                data = config.data.model_copy(update={"sizes": found.config.data.sizes})
                own = found.config.model_copy(update={"data": data})
                teacher = found.model.to(device)
                names = found.unified_classes
                asked.append((True, Answering(own, teacher, here, device, names), (task,)))
        return [
            Answered(taught, one.answer(block))
            for taught, one, tasks in asked
            for block in blocks_of(index, tasks)[rank::size]
        ]

    def summarize(
        self, index: UnifiedIndex, split: str, found: Sequence[Answered], out: Path
    ) -> Metrics:
        """See `Family.summarize`: metrics with intervals, and drops against the teachers."""
        config = self.config
        mine, theirs = (
            gather([one.answers for one in found if one.of_teacher is taught], index.lengths)
            for taught in (False, True)
        )
        rows = readable_images(index, [mine, theirs])
        counted = index.take(rows)
        answers, taught = (
            {task: one.values[rows[task]] for task, one in side.items()} for side in (mine, theirs)
        )
        write_results(out, split, str(config.name), counted, answers)
        scores = score_model(config, counted, answers, taught)
        metrics = metrics_of(scores)
        for task, chosen in rows.items():
            metrics[f"images/{task}"] = len(chosen)
        unreadable = sum(index.lengths[task] - len(chosen) for task, chosen in rows.items())
        metrics |= {"skipped": unreadable} if unreadable else {}
        return {name: value for name, value in metrics.items() if value == value}

    def pictures(self, run_folder: Path) -> list[Picture]:
        """See `Family.pictures`: of the last split that was evaluated, by the best weights."""
        config = self.config
        if not config.evaluation.splits:
            return []
        split = config.evaluation.splits[-1]
        judged = read_image_scores(run_folder / "results", split, str(config.name))
        if not judged:
            return []
        index = local_unified_index(config.data, self._index(split))
        device = torch.device("cpu")
        model = read_model(run_folder).model
        answering = Answering(config, model, index, device, index.class_names)
        pictures = []
        for task in config.learned:
            of_image = judged.get(task, {})
            scores = np.array([of_image.get(place, np.nan) for place in index.places[task]])
            rows = bad_and_good(scores, config.evaluation.pictures)
            for image in titled(index, task, scores, rows):
                pictures.append(draw_answer(answering, config, index, image))
        return pictures

    def _index(self, split: Any) -> UnifiedIndex:
        """A split's sets of the tasks that are learned, checked against the network."""
        config = self.config
        index = build_unified_index(config.data, split, config.learned)
        if wrong := wrong_count(config.model, index):
            merged = wrong.task == "seg" and config.model.background == "merged"
            raise ConfigError(
                f"{wrong.key} must be {wrong.wanted}, as many as the {wrong.task} set has classes"
                f"{' without background' if merged else ''}, got {wrong.got}; set it."
            )
        return index

    def _require_statistics(self) -> None:
        """Check that a network that keeps the statistics of other weights is given some.

        Raises:
            ConfigError: it is not.
        """
        model = self.config.model
        if model.normalization == "frozen_backbone" and model.init is None:
            raise ConfigError(
                "model.normalization=frozen_backbone keeps the statistics that pretrained weights "
                "bring, but model.init is not given; give model.init=PATH of weights, or set "
                "model.normalization=per_task to train from nothing."
            )

    def _looked_at(self, whole: UnifiedIndex) -> UnifiedIndex:
        """What validations look at of a split."""
        most = self.config.training.val_samples
        longer = {task: count for task, count in whole.lengths.items() if count > most}
        return whole.take({task: spread_rows(count, most) for task, count in longer.items()})

    def _require_one_for_each_worker(self, val: UnifiedIndex) -> None:
        """Check that no worker is without a sample of a validation, for which all would wait.

        Raises:
            ConfigError: one is.
        """
        most = self.config.cluster.most
        for tasks in self._validations():
            longest = max(tasks, key=lambda task: val.lengths[task])
            if most > val.lengths[longest]:
                raise ConfigError(
                    f"cluster.workers must be at most {val.lengths[longest]}, the validation "
                    f"images of {longest}, got {most}; lower it, or set training.val_samples=0 to "
                    "validate nothing."
                )

    def _validations(self) -> list[tuple[UnifiedTaskName, ...]]:
        """Tasks of each validation, of the run and of those that it trains first."""
        return [self.config.validated, *((task,) for task in self._own_teachers())]

    def _batches(self) -> list[tuple[str, int, tuple[UnifiedTaskName, ...]]]:
        """Key and size of each batch that the run draws, and the tasks whose images fill it."""
        config = self.config
        mine = ("training.batch_size", config.training.batch_size, config.tasks)
        theirs = ("teachers.batch_size", config.teachers.batch_size, config.tasks)
        return [mine, theirs] if self.first() else [mine]

    def _own_teachers(self) -> list[UnifiedTaskName]:
        """Tasks whose teachers are trained first."""
        return own_teachers(self.config)

    def _given_teachers(self) -> dict[UnifiedTaskName, str]:
        """Where the teachers are that are not."""
        return given_teachers(self.config)

    @cached_property
    def _teachers(self) -> dict[UnifiedTaskName, FinishedModel]:
        """The teachers as they were read, once.

        Raises:
            CheckpointError: as `read_teacher`.
        """
        config = self.config
        return {
            task: read_teacher(config, task, str(config.teachers.path(task)))
            for task in config.tasks
        }


def require_images(
    train: UnifiedIndex, key: str, size: int, tasks: Sequence[UnifiedTaskName]
) -> None:
    """Check that a batch is no larger than the training set of each task that fills one.

    Args:
        train: the training split.
        key: of the batch size.
        size: images of a batch.
        tasks: whose images fill it.

    Raises:
        ConfigError: it is.
    """
    for task in tasks:
        count = train.lengths[task]
        if size > count:
            raise ConfigError(
                f"{key} {size} is larger than the {count} training images of {task}; lower it."
            )

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
from mtl.config.unified import BoxDecodingConfig, UnifiedTaskName
from mtl.config.unified_run import UnifiedRunConfig
from mtl.data.storage import absolute, join
from mtl.data.unified.build import build_unified_index, local_unified_index
from mtl.data.unified.index import UnifiedIndex
from mtl.data.unified.sampler import UnifiedSampler
from mtl.data.unified.spread import spread_rows
from mtl.errors import CheckpointError, ConfigError
from mtl.evaluation.unified.per_image import bad_and_good
from mtl.evaluation.unified.result import MAIN_METRIC
from mtl.families.family import Indices
from mtl.families.unified_answering import Answering, Answers, blocks_of, gather
from mtl.families.unified_pictures import draw_answer, titled
from mtl.families.unified_results import read_image_scores, write_results
from mtl.families.unified_scores import readable_images, score_model, wrong_count
from mtl.models.model_file import MODEL_FILE
from mtl.models.weights import start_from
from mtl.report.contents import UNIFIED, Contents
from mtl.report.frames import Picture
from mtl.tasks.reported import checkpoint_of, require_watched
from mtl.tasks.task import Metrics, Task
from mtl.tasks.teachers import Teachers, joint_lessons
from mtl.tasks.unified import UnifiedTask
from mtl.tasks.unified_answers import score_of
from mtl.tracking.finished_model import FinishedModel, read_model, unified_classes_of_model

FREE: Any = {
    "init": True,  # how weights begin
    "initial_confidence": True,
    "backbone": {"drop_path"},  # chance while they learn
    "head": {"dropout"},
    "boxes": set(BoxDecodingConfig.model_fields) - {"center_span"},  # what is made of the maps
    "segmentation_output": True,
    "segmentation_size": True,
}
"""Keys of a network that change neither which weights fit nor what its raw maps mean; finished ones
may differ in them. Pooling is none: classes are learned, and distilled, through it."""


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
        return replace(UNIFIED, best=best, final=final)

    def first(self) -> list[RunConfig]:
        """The teachers that this run trains: runs of their own in its folder."""
        return [self._teacher(task) for task in self._own_teachers()]

    def prepared(self) -> UnifiedRunConfig:
        """The config with a place for every teacher."""
        config = self.config
        require_watched(config)
        if config.model.normalization == "frozen_backbone" and config.model.init is None:
            raise ConfigError(
                "model.normalization=frozen_backbone keeps the statistics that pretrained weights "
                "bring, but model.init is not given; give model.init=PATH of weights, or set "
                "model.normalization=per_task to train from nothing."
            )
        if not config.taught:
            return config
        given = self._given_teachers()
        places: dict[Any, str] = {
            task: given.get(task) or self._place(task) for task in config.tasks
        }
        ours = [task for task in config.tasks if task not in given]
        stage = config.stages.get("teachers")
        if ours and (stage is None or not stage.epochs):
            raise ConfigError(
                f"the run needs a teacher of {ours[0]}: give teachers.{ours[0]}=PATH of one, "
                "stages.teachers.epochs=N to train it, or loss.distillation.weight=0 to do without."
            )
        for task, place in given.items():
            self._read_teacher(task, place)
        return config.model_copy(update={"teachers": config.teachers.model_copy(update=places)})

    def indices(self) -> Indices:
        """See `Family.indices`; of a longer set, val has `training.val_samples` images."""
        config = self.config
        train = self._index("train")
        for key, size, tasks in self._batches():
            for task in tasks:
                count = train.lengths[task]
                if size > count:
                    raise ConfigError(
                        f"{key} {size} is larger than the {count} training images of {task}; "
                        "lower it."
                    )
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
        teachers = Teachers(self._models(device), still)
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
        asked = [(False, Answering(config, model, here, device), config.learned)]
        if config.taught:
            for task, found in self._teachers.items():
                assert isinstance(found.config, UnifiedRunConfig)  # `_read` refuses others
                data = config.data.model_copy(update={"sizes": found.config.data.sizes})
                own = found.config.model_copy(update={"data": data})
                teacher = found.model.to(device)
                asked.append((True, Answering(own, teacher, here, device), (task,)))
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
        answering = Answering(config, read_model(run_folder).model, index, device)
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

    def _place(self, task: UnifiedTaskName) -> str:
        """Where this run keeps a teacher that it trains itself."""
        return join(self.config.storage, str(self.config.name), "teachers", task)

    def _teacher(self, task: UnifiedTaskName) -> UnifiedRunConfig:
        """The run that trains a teacher."""
        config = self.config
        training = config.training.model_copy(
            update={"batch_size": config.teachers.batch_size, "accumulate": 1}
        )
        changes = {
            "name": task,
            "storage": join(config.storage, str(config.name), "teachers"),
            "train_type": task,
            "training": training,
            "checkpoint": checkpoint_of(config, (task,)),
            "teachers": type(config.teachers)(),
        }
        return config.model_copy(update=changes)

    def _models(self, device: torch.device) -> dict[UnifiedTaskName, nn.Module]:
        """The teachers on a device.

        Raises:
            CheckpointError: as `_read_teacher`.
        """
        return {task: found.model.to(device) for task, found in self._teachers.items()}

    @cached_property
    def _teachers(self) -> dict[UnifiedTaskName, FinishedModel]:
        """The teachers as they were read, once."""
        return {
            task: self._read_teacher(task, str(self.config.teachers.path(task)))
            for task in self.config.tasks
        }

    def _own_teachers(self) -> list[UnifiedTaskName]:
        """Tasks whose teachers this run trains itself."""
        config = self.config
        tasks = config.tasks if config.taught else ()
        return [task for task in tasks if config.teachers.path(task) == self._place(task)]

    def _given_teachers(self) -> dict[UnifiedTaskName, str]:
        """Where the teachers are that this run does not train itself."""
        if not self.config.taught:
            return {}
        places = {task: self.config.teachers.path(task) for task in self.config.tasks}
        return {
            task: absolute(place)
            for task, place in places.items()
            if place is not None and place != self._place(task)
        }

    def _read_teacher(self, task: UnifiedTaskName, place: str) -> FinishedModel:
        """A teacher, which has learned its task and is the same network as the student.

        Raises:
            CheckpointError: it cannot be read, has not, or is not.
        """
        advice = "give another teacher, or none to train one."
        return self._read(place, task, f"teachers.{task}={place}", advice)

    def _read(self, place: str, task: UnifiedTaskName, what: str, advice: str) -> FinishedModel:
        """A model that has learned a task and is the same network as that of this run.

        Args:
            place: of the model.
            task: that it must have learned.
            what: it is called in messages.
            advice: what to do, in messages.

        Raises:
            CheckpointError: it cannot be read, has not, or is not.
        """
        found = read_model(place)
        if not isinstance(found.config, UnifiedRunConfig):
            raise CheckpointError(
                f"{what} must be a unified model, got a {found.config.model.family}; {advice}"
            )
        if found.config.train_type != "all" and task not in found.config.learned:
            raise CheckpointError(
                f"{what} must have learned {task}, but it was trained with "
                f"train_type={found.config.train_type}; {advice}"
            )
        theirs, mine = (one.model.model_dump(exclude=FREE) for one in (found.config, self.config))
        for key in (k for k in mine if mine[k] != theirs[k]):
            raise CheckpointError(
                f"{what} must be the same network as the student: model.{key} is {theirs[key]} "
                f"there and {mine[key]} here; {advice}"
            )
        return found

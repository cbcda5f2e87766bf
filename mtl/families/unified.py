"""The unified model as a run sees it: three sets, their samples, teachers, and its evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import nn

from mtl.config.schema import RunConfig
from mtl.config.unified import UnifiedTaskName
from mtl.config.unified_run import UnifiedRunConfig
from mtl.data.storage import join
from mtl.data.unified.build import build_unified_index, local_unified_index
from mtl.data.unified.index import UnifiedIndex
from mtl.data.unified.sampler import UnifiedSampler
from mtl.errors import CheckpointError, ConfigError
from mtl.evaluation.unified.measured import delta_m, relative_drop
from mtl.families.family import Indices
from mtl.families.unified_answering import answer_split
from mtl.families.unified_results import write_results
from mtl.report.frames import Picture
from mtl.tasks.task import Metrics, Task
from mtl.tasks.teachers import Teachers
from mtl.tasks.unified import UnifiedTask, sides_of
from mtl.tasks.unified_answers import MAIN_METRIC, UnifiedAnswers, score_of
from mtl.tracking.finished_model import read_model

RESAMPLES = 2000
"""Of the bootstrap intervals of a final evaluation."""
COUNTS: dict[UnifiedTaskName, str] = {
    "det": "num_det_classes",
    "seg": "num_seg_classes",
    "cls": "num_cls_classes",
}

Answered: TypeAlias = dict[str, dict[UnifiedTaskName, np.ndarray]]
"""Statistics by task, of the model and of its teachers together."""


class UnifiedFamily:
    """See `mtl.families.family.Family`."""

    final_stage = "evaluation"

    def __init__(self, config: UnifiedRunConfig) -> None:
        self.config = config

    def first(self) -> list[RunConfig]:
        """The teachers that this run trains: runs of their own in its folder."""
        config = self.config
        if not config.taught:
            return []
        ours = [task for task in config.tasks if config.teachers.path(task) == self._place(task)]
        return [self._teacher(task) for task in ours]

    def prepared(self) -> UnifiedRunConfig:
        """The config with a place for every teacher."""
        config = self.config
        if not config.taught:
            return config
        places: dict[Any, str] = {
            task: config.teachers.path(task) or self._place(task) for task in config.tasks
        }
        ours = [task for task in config.tasks if places[task] == self._place(task)]
        stage = config.stages.get("teachers")
        if ours and (stage is None or not stage.epochs):
            raise ConfigError(
                f"the run needs a teacher of {ours[0]}: give teachers.{ours[0]}=PATH of one, "
                "stages.teachers.epochs=N to train it, or loss.distillation.weight=0 to do without."
            )
        return config.model_copy(update={"teachers": config.teachers.model_copy(update=places)})

    def indices(self) -> Indices:
        """See `Family.indices`."""
        config = self.config
        train = self._index("train")
        for task, count in train.lengths.items():
            if config.training.batch_size > count:
                raise ConfigError(
                    f"training.batch_size {config.training.batch_size} is larger than the {count} "
                    f"training images of {task}; lower it."
                )
        val = self._index("val") if config.training.val_samples else None
        final: dict[str, Any] = {}
        for split in config.evaluation.splits:
            final[split] = val if split == "val" and val else self._index(split)
        for other in (*final.values(), *([] if val is None else [val])):
            other.require_classes(train.class_names, "the training split")
        return Indices(train, val, final)

    def task(self, indices: Indices, device: torch.device) -> Task:
        """See `Family.task`."""
        config = self.config
        if not config.taught:
            return UnifiedTask(config, indices.train, indices.val)
        still = self.sampler(indices.train, training=True).still
        teachers = Teachers(self._models(device), still)
        return UnifiedTask(config, indices.train, indices.val, teachers)

    def sampler(self, index: UnifiedIndex, training: bool) -> UnifiedSampler:
        """See `Family.sampler`."""
        config = self.config
        here = local_unified_index(config.data, index)
        return UnifiedSampler(
            here, config.augmentation, config.data, config.seed, training, config.tasks
        )

    def val_samples(self, index: UnifiedIndex) -> int:
        """See `Family.val_samples`: every image of every set, within `training.val_samples`."""
        longest = max(index.lengths[task] for task in self.config.tasks)
        return min(longest, self.config.training.val_samples)

    def size(self, index: UnifiedIndex) -> str:
        """See `Family.size`."""
        counts = [f"{index.lengths[task]} {task}" for task in self.config.tasks]
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
        """See `Family.evaluate_share`: sums of the model and, on its own task, of each teacher."""
        config = self.config
        sampler = self.sampler(index, training=False)
        found: Answered = {
            "model": answer_split(config, model, sampler, config.tasks, device, rank, size)
        }
        if config.taught:
            for task, teacher in self._models(device).items():
                said = answer_split(config, teacher, sampler, (task,), device, rank, size)
                found.setdefault("teachers", {}).update(said)
        return [found]

    def summarize(
        self,
        index: UnifiedIndex,
        split: str,
        found: Sequence[Answered],
        out: Path,
    ) -> Metrics:
        """See `Family.summarize`: metrics with intervals, and drops against the teachers."""
        config = self.config
        answers = UnifiedAnswers(config.model, index, sides_of(config))
        sums = {
            who: {task: np.sum([share[who][task] for share in found], axis=0) for task in of}
            for who, of in found[0].items()
        }
        write_results(out, split, str(config.name), index, sums["model"])
        mine = answers.metrics(sums["model"], RESAMPLES)
        metrics: Metrics = {name: one.value for name, one in mine.items()}
        score = score_of(metrics)
        metrics |= {} if score is None else {"score": score}
        for name, one in mine.items():
            if interval := one.interval():
                metrics[f"{name}_low"], metrics[f"{name}_high"] = interval
        if "teachers" in sums:
            theirs = answers.metrics(sums["teachers"], RESAMPLES)
            names = [n for t in config.tasks if (n := MAIN_METRIC[t]) in mine and n in theirs]
            metrics |= {f"teacher/{name}": theirs[name].value for name in names}
            metrics |= {
                f"drop/{name}": relative_drop(mine[name], theirs[name]).value for name in names
            }
            metrics["delta_m"] = delta_m({n: (mine[n], theirs[n]) for n in names}).value
        for task in config.tasks:
            metrics[f"images/{task}"] = index.lengths[task]
        return {name: value for name, value in metrics.items() if value == value}

    def pictures(self, run_folder: Path) -> list[Picture]:
        """See `Family.pictures`."""
        return []

    def _index(self, split: Any) -> UnifiedIndex:
        """A split's sets of the tasks that are trained, checked against the network."""
        config = self.config
        model = config.model
        index = build_unified_index(config.data, split).only(config.tasks)
        names = index.class_names
        for task, key in COUNTS.items():
            if task not in names:
                continue
            merged = task == "seg" and model.background == "merged"
            wanted, got = len(names[task]) - merged, getattr(model, key)
            if wanted != got:
                raise ConfigError(
                    f"model.{key} must be {wanted}, as many as the {task} set has classes"
                    f"{' without background' if merged else ''}, got {got}; set it."
                )
        return index

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
            "teachers": type(config.teachers)(),
        }
        return config.model_copy(update=changes)

    def _models(self, device: torch.device) -> dict[UnifiedTaskName, nn.Module]:
        """The teachers, of the same network as the student.

        Raises:
            CheckpointError: one cannot be read, or is another network.
        """
        models: dict[UnifiedTaskName, nn.Module] = {}
        for task in self.config.tasks:
            found = read_model(str(self.config.teachers.path(task)))
            mine = self.config.model.model_dump()
            theirs = found.config.model.model_dump()
            for key in sorted(mine.keys() | theirs.keys()):
                if key != "init" and mine.get(key) != theirs.get(key):
                    raise CheckpointError(
                        f"teachers.{task}={found.source} must be the same network as the student: "
                        f"model.{key} is {theirs.get(key)} there and {mine.get(key)} here; give "
                        "another teacher, or none to train one."
                    )
            models[task] = found.model.to(device)
        return models

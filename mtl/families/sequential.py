"""The unified model when it learns its tasks one after another.

A run of `retention.order` [a, b, c] is the phase that learns c. It starts from the weights of the
run of [a, b], which lies in its folder, and that one from the single-task model of a, which is a
teacher. So every phase is a run: evaluated at its end, resumable, and readable like any other.

With `model.normalization=per_task` an earlier task's statistics of normalisation follow the weights
where its images are replayed or LwF looks at new ones in its name; else they stay as they were,
which is a part of what is forgotten.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from mtl.config.schema import RunConfig
from mtl.config.unified import UnifiedTaskName
from mtl.config.unified_run import UnifiedRunConfig
from mtl.data.storage import absolute, join, stat
from mtl.data.unified.build import local_unified_index
from mtl.data.unified.index import UnifiedIndex
from mtl.data.unified.memory import remembered_rows
from mtl.data.unified.sampler import UnifiedSampler
from mtl.errors import ConfigError
from mtl.families.family import Indices
from mtl.families.unified import UnifiedFamily
from mtl.families.unified_teachers import (
    read_learned,
    read_teacher,
    teacher_place,
    teacher_run,
    with_places,
)
from mtl.losses.consolidation import Consolidation, Importance
from mtl.tasks.importance import (
    is_importance_of,
    load_importance,
    measure_importance,
    save_importance,
)
from mtl.tasks.reported import checkpoint_of, require_watched
from mtl.tasks.task import Task
from mtl.tasks.teachers import Lessons, Teachers
from mtl.tasks.unified import UnifiedTask
from mtl.tracking.finished_model import model_address
from mtl.training.run_folder import RunFolder


class SequentialFamily(UnifiedFamily):
    """See `mtl.families.family.Family`."""

    @property
    def earlier(self) -> tuple[UnifiedTaskName, ...]:
        """Tasks learned before, in their order."""
        return self.config.retention.order[:-1]

    def first(self) -> list[RunConfig]:
        """The run that learned the tasks before the last; of two tasks, the teacher of the first.

        None where that is a teacher that was given.
        """
        if before := self.before():
            return [before]
        return [teacher_run(self.config, task) for task in self._own_teachers()]

    def prepared(self) -> UnifiedRunConfig:
        """See `Family.prepared`: with a place for the model that the second task starts from."""
        config, task = self.config, self.earlier[0]
        require_watched(config)
        given = config.teachers.path(task)
        if given and given != teacher_place(config, task):
            place = absolute(given)
            read_teacher(config, task, place)
            config = with_places(config, {task: place})
        else:
            self._require_statistics()
        return SequentialFamily(config).placed()

    def placed(self) -> UnifiedRunConfig:
        """The config as `prepared` leaves it, whatever lies at the places."""
        config = self.config
        if len(self.earlier) > 1:
            return config  # the runs before have it
        (task,) = self.earlier
        place = config.teachers.path(task) or teacher_place(config, task)
        return with_places(config, {task: place})

    def start(self, model: nn.Module) -> list[str]:
        """See `Family.start`: the weights of the run before."""
        place = self.places()[-1]
        model.load_state_dict(self._before(place, self.earlier[-1]).state_dict())
        return [f"{self.config.retention.order[-1]} starts from {place}"]

    def indices(self) -> Indices:
        """See `Family.indices`; a memory must not be larger than what it is of."""
        indices = super().indices()
        how = self.config.retention
        key = {"replay": "memory_images", "ewc": "fisher_images"}.get(how.method)
        for task in self.earlier if key else ():
            count, wanted = indices.train.lengths[task], getattr(how, str(key))
            if wanted > count:
                raise ConfigError(
                    f"retention.{key} must be at most {count}, the training images of {task}, "
                    f"got {wanted}; lower it."
                )
        return indices

    def task(self, indices: Indices, device: torch.device) -> Task:
        """See `Family.task`: with the lessons or the penalty that the method of retention has."""
        config, how = self.config, self.config.retention
        lessons = consolidation = None
        if how.method == "lwf" and how.lwf_weight:
            before = self._before(self.places()[-1], self.earlier[-1]).to(device)
            still = self.sampler(indices.train, training=True).still
            teachers = Teachers(dict.fromkeys(self.earlier, before), still)
            lessons = Lessons(teachers, {how.order[-1]: self.earlier}, how.lwf_weight)
        elif how.method == "ewc" and how.ewc_weight:
            consolidation = Consolidation(self._importances(indices.train, device))
        return UnifiedTask(config, indices.train, indices.val, lessons, consolidation)

    def sampler(self, index: UnifiedIndex, training: bool) -> UnifiedSampler:
        """See `Family.sampler`: of earlier tasks, training shows what is kept of them."""
        sampler = super().sampler(index, training)
        if not training:
            return sampler
        how = self.config.retention
        memory = {task: self._rows(index, task, how.memory_images) for task in self.earlier}
        return sampler.remembering(memory)

    def places(self) -> list[str]:
        """Where the model lies that had just learned each of the earlier tasks, in their order."""
        if before := self.before():
            earlier = SequentialFamily(before).places()
            return [*earlier, join(before.storage, str(before.name))]
        return [str(self.config.teachers.path(self.earlier[0]))]

    def before(self) -> UnifiedRunConfig | None:
        """The run that learns the earlier tasks; none where that is one, learned by a teacher."""
        if len(self.earlier) == 1:
            return None
        config = self.config
        changes = {
            "name": "-".join(self.earlier),
            "storage": join(config.storage, str(config.name), "before"),
            "retention": config.retention.model_copy(update={"order": self.earlier}),
            "checkpoint": checkpoint_of(config, self.earlier),
        }
        return SequentialFamily(config.model_copy(update=changes)).placed()

    def _before(self, place: str, task: UnifiedTaskName) -> nn.Module:
        """The model that had just learned an earlier task, in eval mode on the CPU.

        Raises:
            CheckpointError: it cannot be read, has not learned the task, or is another network.
        """
        if task == self.earlier[0]:
            return read_teacher(self.config, task, place).model
        advice = "delete it to have it trained again."
        return read_learned(self.config, place, task, f"the run {place}", advice).model

    def _batches(self) -> list[tuple[str, int, tuple[UnifiedTaskName, ...]]]:
        """See `UnifiedFamily._batches`: each phase draws of its new task, a memory may repeat."""
        config, (first, *later) = self.config, self.config.retention.order
        found = [("training.batch_size", config.training.batch_size, tuple(later))]
        if first in self._own_teachers():
            found.append(("teachers.batch_size", config.teachers.batch_size, (first,)))
        return found

    def _validations(self) -> list[tuple[UnifiedTaskName, ...]]:
        """See `UnifiedFamily._validations`: each phase looks at its new task."""
        return [(task,) for task in (*self._own_teachers(), *self.config.retention.order[1:])]

    def _own_teachers(self) -> list[UnifiedTaskName]:
        """See `UnifiedFamily._own_teachers`: that of the first task, here or in a run before."""
        config, first = self.config, self.config.retention.order[0]
        ours = (None, teacher_place(config, first))
        return [first] if config.teachers.path(first) in ours else []

    def _given_teachers(self) -> dict[UnifiedTaskName, str]:
        """See `UnifiedFamily._given_teachers`: that of the first task, unless it is a run's own.

        One that the joint run still has to train, which methods are compared with, is not there.
        """
        first = self.config.retention.order[0]
        place = self.config.teachers.path(first)
        if place is None or self._own_teachers() or stat(model_address(place)) is None:
            return {}
        return {first: place}

    def _rows(self, index: UnifiedIndex, task: UnifiedTaskName, count: int) -> Sequence[int]:
        return remembered_rows(self.config.seed, task, index.lengths[task], count)

    def _importances(self, train: UnifiedIndex, device: torch.device) -> list[Importance]:
        """What each earlier task needs; measured once, then read from the run's folder."""
        config = self.config
        folder = RunFolder(config.storage, str(config.name))
        found = []
        for task, place in zip(self.earlier, self.places(), strict=True):
            name = f"importance/{task}.safetensors"
            count, seed = config.retention.fisher_images, config.seed
            how = {"model": place, "fisher_images": str(count), "seed": str(seed)}
            with tempfile.TemporaryDirectory() as scratch:
                local = Path(scratch)
                file = local / Path(name).name
                if not (folder.has(name) and is_importance_of(folder.download(local, name), how)):
                    model = self._before(place, task).to(device)
                    rows = self._rows(train, task, count)
                    here = local_unified_index(config.data, train)
                    measured = measure_importance(model, config, task, here, rows, device)
                    save_importance(measured, file, how)
                    folder.upload(local, "importance")
                found.append(load_importance(file, f"{folder.place}/{name}").to(device))
        return found

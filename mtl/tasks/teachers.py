"""Single-task models that a student learns from: asked once for each batch, or once for an image.

Where training shows an image always in the same way, a teacher's answer to it is kept. Such images
are asked about one by one, so that an answer never depends on its neighbours in a batch: a run that
was interrupted, whose store is empty, learns from the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mtl.config.unified import UNIFIED_TASKS, UnifiedLossConfig, UnifiedTaskName
from mtl.losses.distillation import teachers_of
from mtl.models.unified.output import UnifiedOutput

KEPT_BYTES = 512 * 2**20
"""Answers kept by each process; beyond that they are asked for anew."""


class Teachers:
    """The teachers of a run.

    Args:
        models: of each task, in eval mode, on the device of the images.
        still: tasks whose training images never change.
    """

    def __init__(
        self, models: Mapping[UnifiedTaskName, nn.Module], still: Mapping[UnifiedTaskName, bool]
    ) -> None:
        self._models = {task: model.requires_grad_(False).eval() for task, model in models.items()}
        self._still = still
        self._kept: dict[tuple[UnifiedTaskName, UnifiedTaskName, int], Tensor] = {}
        self._bytes = 0

    @property
    def tasks(self) -> tuple[UnifiedTaskName, ...]:
        """Tasks that have a teacher."""
        return tuple(self._models)

    @torch.no_grad()
    def answers(
        self, asked: Sequence[UnifiedTaskName], task: UnifiedTaskName, images: Tensor, rows: Tensor
    ) -> dict[UnifiedTaskName, UnifiedOutput]:
        """What each teacher says in its own subject; the other maps of its answer are empty.

        Args:
            asked: whose teachers.
            task: whose images they are.
            images: (B, 3, H, W) normalised.
            rows: (B,) rows of the images in the task's set.
        """
        still = self._still.get(task, False)
        find = self._from_store if still else self._from_model
        return {teacher: _alone(find(teacher, task, images, rows), teacher) for teacher in asked}

    def _from_model(
        self, teacher: UnifiedTaskName, task: UnifiedTaskName, images: Tensor, rows: Tensor
    ) -> Tensor:
        # A teacher normalises with its own task's statistics: it has seen no other images.
        output: UnifiedOutput = self._models[teacher]({teacher: images})[teacher]
        return output[UNIFIED_TASKS.index(teacher)]

    def _from_store(
        self, teacher: UnifiedTaskName, task: UnifiedTaskName, images: Tensor, rows: Tensor
    ) -> Tensor:
        maps = []
        for place, row in enumerate(rows.tolist()):
            key = (teacher, task, row)
            if key in self._kept:
                maps.append(self._kept[key])
                continue
            (said,) = self._from_model(teacher, task, images[place : place + 1], rows[:1])
            maps.append(said)
            size = said.numel() * said.element_size()
            if self._bytes + size <= KEPT_BYTES:
                self._kept[key] = said
                self._bytes += size
        return torch.stack(maps)


class Lessons(NamedTuple):
    """Who is asked about which images, and how much that counts."""

    teachers: Teachers
    asked: Mapping[UnifiedTaskName, tuple[UnifiedTaskName, ...]]
    """By task of the images, the subjects whose teachers answer about them."""
    weight: float
    """Factor of the distance from their answers."""


def joint_lessons(
    teachers: Teachers, tasks: Sequence[UnifiedTaskName], loss: UnifiedLossConfig
) -> Lessons:
    """Lessons of the teachers that there are, as the distillation of joint training has them.

    Args:
        teachers: of some or all tasks.
        tasks: that the student trains.
        loss: says whose teachers are asked, and how much that counts.
    """
    asked = {
        task: tuple(t for t in teachers_of(task, loss) if t in teachers.tasks) for task in tasks
    }
    return Lessons(teachers, asked, loss.distillation.weight)


def _alone(said: Tensor, teacher: UnifiedTaskName) -> UnifiedOutput:
    return UnifiedOutput(*(said if name == teacher else said[:, :0] for name in UNIFIED_TASKS))

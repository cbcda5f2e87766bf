"""What the student learns from single-task teachers (unified specification, section 4)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from mtl.config.unified import UNIFIED_TASKS, UnifiedConfig, UnifiedLossConfig, UnifiedTaskName
from mtl.losses.classification import class_logits
from mtl.losses.counts import MeanCount, own_count
from mtl.models.unified.decoders import decode_segmentation, pool_classes, segmentation_size
from mtl.models.unified.grid import DetectionGrid
from mtl.models.unified.output import UnifiedOutput

TINY = 1e-8
"""Least sum of confidences that is divided by."""


def teachers_of(task: UnifiedTaskName, config: UnifiedLossConfig) -> tuple[UnifiedTaskName, ...]:
    """The tasks whose teachers are asked on a batch of a task; none if distillation is off."""
    if config.distillation.weight == 0:
        return ()
    if config.distillation.teachers == "same_task":
        return (task,)
    return tuple(other for other in UNIFIED_TASKS if other != task)


class Distillation:
    """Distance of a student's answers from the teachers', as a config has it.

    Published: the mean squared difference of decoded answers, whatever the batch's task is: the
    sigmoided detection map, segmentation scores in their full size, pooled class values.
    """

    def __init__(self, model: UnifiedConfig, loss: UnifiedLossConfig) -> None:
        self._model = model
        self._loss = loss
        how = loss.distillation
        self._distances = {
            "det": self._foreground if how.detection == "foreground" else self._detection,
            "seg": self._pixel_divergence if how.scores == "kl" else self._pixels,
            "cls": self._class_divergence if how.scores == "kl" else self._classes,
        }

    def __call__(
        self,
        student: UnifiedOutput,
        teachers: Mapping[UnifiedTaskName, UnifiedOutput],
        image_size: tuple[int, int],
        mean: MeanCount = own_count,
    ) -> Tensor:
        """Mean distance from the teachers on one batch.

        Args:
            student: its answers.
            teachers: of each task of `teachers_of`, its teacher's answers to the same images.
            image_size: height and width of the images.
            mean: of the processes' counts, here of the teacher's confidences.
        """
        size = segmentation_size(self._model, image_size)
        return torch.stack(
            [self.distance(task, student, teachers[task], size, mean) for task in teachers]
        ).mean()

    def distance(
        self,
        task: UnifiedTaskName,
        student: UnifiedOutput,
        teacher: UnifiedOutput,
        size: tuple[int, int],
        mean: MeanCount = own_count,
    ) -> Tensor:
        """Distance of the answers to one task.

        Args:
            task: whose answers are compared.
            student: its answers.
            teacher: its answers.
            size: height and width of segmentation scores.
            mean: of the processes' counts.
        """
        index = UNIFIED_TASKS.index(task)
        return self._distances[task](student[index].float(), teacher[index].float(), size, mean)

    def _detection(
        self, student: Tensor, teacher: Tensor, size: tuple[int, int], mean: MeanCount
    ) -> Tensor:
        return F.mse_loss(student.sigmoid(), teacher.sigmoid())

    def _foreground(
        self, student: Tensor, teacher: Tensor, size: tuple[int, int], mean: MeanCount
    ) -> Tensor:
        """Mean over the cells weighted by the best confidence the teacher has there."""
        grid = DetectionGrid.of_raw(teacher, self._model.num_boxes)
        weight = grid.confidence.amax(dim=1)
        error = (student.sigmoid() - grid.values).square().mean(dim=1)
        return (weight * error).sum() / mean(weight.sum()).clamp(min=TINY)

    def _pixels(
        self, student: Tensor, teacher: Tensor, size: tuple[int, int], mean: MeanCount
    ) -> Tensor:
        """Resizing is linear, so the difference is resized and not either map."""
        return decode_segmentation(student - teacher, size).square().mean()

    def _pixel_divergence(
        self, student: Tensor, teacher: Tensor, size: tuple[int, int], mean: MeanCount
    ) -> Tensor:
        """Mean over the cells of the grid."""
        return self._divergence(student, teacher).mean()

    def _classes(
        self, student: Tensor, teacher: Tensor, size: tuple[int, int], mean: MeanCount
    ) -> Tensor:
        pooling = self._model.pooling
        return F.mse_loss(pool_classes(student, pooling), pool_classes(teacher, pooling))

    def _class_divergence(
        self, student: Tensor, teacher: Tensor, size: tuple[int, int], mean: MeanCount
    ) -> Tensor:
        """Of what the classification loss sees, mean over the images."""
        pooling = self._model.pooling
        seen, wanted = (class_logits(raw, pooling, self._loss) for raw in (student, teacher))
        return self._divergence(seen, wanted).mean()

    def _divergence(self, student: Tensor, teacher: Tensor) -> Tensor:
        """T^2 KL(teacher || student) over the classes at temperature T (Hinton et al., 2015)."""
        temperature = self._loss.distillation.temperature
        seen = (student / temperature).log_softmax(dim=1)
        wanted = (teacher / temperature).log_softmax(dim=1)
        return temperature**2 * (wanted.exp() * (wanted - seen)).sum(dim=1)


def joint_total(
    losses: Tensor, distillation: Tensor, weights: Tensor, factor: float, inside_weights: bool
) -> Tensor:
    """The loss of a joint step.

    inside_weights: sum of w (L + factor KD), as the published code has it; else sum of w L, plus
    factor times the sum of KD, as its design document has it.

    Args:
        losses: (K,) L of each task; detection's with its gain.
        distillation: (K,) KD of each task's batch.
        weights: (K,) w.
        factor: lambda.
        inside_weights: which formula.
    """
    if inside_weights:
        return (weights * (losses + factor * distillation)).sum()
    return (weights * losses).sum() + factor * distillation.sum()

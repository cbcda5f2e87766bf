"""The unified model: losses of each task's own batch, and what teachers say beside them."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from mtl.config.schema import StageConfig
from mtl.config.unified import PER_TASK_NORMALIZATIONS, UNIFIED_TASKS, UnifiedTaskName
from mtl.config.unified_run import UnifiedRunConfig
from mtl.data.normalize import normalize
from mtl.data.unified.index import UnifiedIndex
from mtl.losses.assignment import Objects
from mtl.losses.consolidation import Consolidation
from mtl.losses.counts import MeanCount, mean_count, own_count
from mtl.losses.distillation import Distillation
from mtl.losses.segmentation import empty_masks
from mtl.losses.unified import UnifiedLosses
from mtl.models.build import build_model
from mtl.models.freeze import apply_stage_mode, freeze_parts
from mtl.models.unified.output import UnifiedOutput
from mtl.tasks.loss_means import loss_means
from mtl.tasks.parameter_groups import backbone_and_rest
from mtl.tasks.task import Batch, Metrics, Moment, TaskLosses
from mtl.tasks.teachers import Lessons
from mtl.tasks.unified_answers import UnifiedAnswers, learned_together, score_of

LOSS_OF: dict[UnifiedTaskName, str] = {
    "det": "detection",
    "seg": "segmentation",
    "cls": "classification",
}
"""Name of each task's own loss."""
CONSOLIDATION = "consolidation"
"""Name of the penalty on forgetting."""


class UnifiedTask:
    """Losses, metrics and learning parts of the unified model on one batch of each task.

    Args:
        config: of the run.
        train: the training split.
        val: the validation split; none: nothing is validated.
        lessons: what teachers say about which images; none where nobody teaches.
        consolidation: holds what earlier tasks need; none where there are none, or nothing does.
    """

    def __init__(
        self,
        config: UnifiedRunConfig,
        train: UnifiedIndex,
        val: UnifiedIndex | None,
        lessons: Lessons | None = None,
        consolidation: Consolidation | None = None,
    ) -> None:
        self.config = config
        self.index = train
        self.class_names: Any = {task: list(train.class_names[task]) for task in config.learned}
        joint = config.train_type == "all" or len(config.tasks) > 1
        self._losses = UnifiedLosses(config.model, config.loss, joint=joint)
        self._distillation = Distillation(config.model, config.loss)
        self._lessons = lessons
        self._consolidation = consolidation
        self._sides = sides_of(config)
        self._answers = (
            None
            if val is None
            else UnifiedAnswers(
                config.model, val, self._sides, learned_together(config, self.class_names)
            )
        )
        factor = config.loss.distillation.weight if lessons is None else lessons.weight
        self.weights: dict[str, float] = {LOSS_OF[task]: 1.0 for task in config.tasks}
        self.weights |= {f"distillation_{task}": factor for task in config.tasks}
        inside = config.loss.distillation.inside_weights
        self.loss_groups: dict[str, tuple[str, ...]] = {
            task: (LOSS_OF[task], f"distillation_{task}") if inside else (LOSS_OF[task],)
            for task in config.tasks
        }
        if consolidation is not None:
            (new,) = config.validated
            self.weights[CONSOLIDATION] = config.retention.ewc_weight
            self.loss_groups[new] += (CONSOLIDATION,)

    def build_model(self) -> nn.Module:
        """The network with all its outputs, whatever this run trains."""
        return build_model(self.config)

    def losses(self, model: nn.Module, batch: Batch, moment: Moment) -> TaskLosses:
        """Each task's loss on its own images; while training also distances and penalty."""
        # Processes train on equally many batches, but may validate on fewer than others.
        mean = mean_count if moment.training else own_count
        tasks = self.config.tasks if moment.training else self.config.validated
        lessons = self._lessons if moment.training else None
        teaching = lessons is not None and any(lessons.asked.values())
        separate = teaching and self.config.loss.distillation.separate_passes
        images = {task: self._images(batch, task) for task in tasks}
        again = self._looked_at_again(images, lessons)
        outputs = model(images | again, separate_passes=separate)
        values: dict[str, Tensor] = {}
        sums: dict[str, Tensor] = {"skipped": batch["skipped"].sum().double()}
        if "seg" in tasks:
            empty = empty_masks(batch["seg_mask"]) & batch["seg_valid"]
            sums["empty_masks"] = empty.sum().double()
        for task in tasks:
            valid = batch[f"{task}_valid"]
            count = valid.sum().double()
            loss = self._loss(task, outputs[task], batch, valid, mean)
            values |= {} if loss is None else {LOSS_OF[task]: loss}
            if lessons is not None and (asked := lessons.asked.get(task)):
                values[f"distillation_{task}"] = self._distillation(
                    _answered(outputs, task, again),
                    lessons.teachers.answers(asked, task, images[task], batch[f"{task}_index"]),
                    _size(images[task]),
                    mean,
                )
            for name in (LOSS_OF[task], f"distillation_{task}"):
                sums |= _mean_sums(name, values.get(name), count)
        if moment.training and self._consolidation is not None:
            values[CONSOLIDATION] = self._consolidation(model)
            sums |= _mean_sums(CONSOLIDATION, values[CONSOLIDATION], torch.ones_like(count))
        if not moment.training and self._answers is not None:
            sums |= self._answers.statistics(outputs, batch)
        return TaskLosses(values, sums)

    def _looked_at_again(
        self, images: Mapping[UnifiedTaskName, Tensor], lessons: Lessons | None
    ) -> dict[UnifiedTaskName, Tensor]:
        """Images by the subject that they stand in for: one with lessons, but no images of its own.

        Where each task has statistics of normalisation, these answer with the subject's, as its
        teacher does, and so move them on with the weights; else the pass of their own task does.
        """
        if lessons is None or self.config.model.normalization not in PER_TASK_NORMALIZATIONS:
            return {}
        return {
            subject: images[task]
            for task in images
            for subject in lessons.asked.get(task, ())
            if subject not in images
        }

    def _images(self, batch: Batch, task: UnifiedTaskName) -> Tensor:
        backbone = self.config.model.backbone
        return normalize(batch[f"{task}_image"], mean=backbone.mean, std=backbone.std)

    def _loss(
        self,
        task: UnifiedTaskName,
        output: UnifiedOutput,
        batch: Batch,
        valid: Tensor,
        mean: MeanCount,
    ) -> Tensor | None:
        """The task's own loss over the rows that hold an image; none where no row does."""
        if not bool(valid.any()):
            return None
        chosen = output if bool(valid.all()) else UnifiedOutput(*(raw[valid] for raw in output))
        size = _size(batch[f"{task}_image"].movedim(-1, 1))
        if task == "det":
            boxes, classes = batch["det_boxes_xywh"][valid], batch["det_classes"][valid]
            image, row = torch.where(classes >= 0)
            objects = Objects(boxes[image, row], classes[image, row], image)
            return self._losses.detection(chosen, objects, size, mean).total
        if task == "seg":
            return self._losses.segmentation(chosen, batch["seg_mask"][valid], size, mean)
        return self._losses.classification(chosen, batch["cls_label"][valid])

    def metrics(self, statistics: dict[str, Tensor]) -> Metrics:
        """`loss/*`, and of a validation `map`, `map_50`, `miou`, `top1` and their mean `score`."""
        sums = {name: float(x) for name, x in statistics.items() if x.ndim == 0}
        metrics = loss_means(sums, self.weights)
        answered = {
            task: statistics[task].numpy() for task in self.config.validated if task in statistics
        }
        if answered and self._answers is not None:
            measured = self._answers.metrics(answered, resamples=0)
            metrics |= {name: one.value for name, one in measured.items() if "/" not in name}
            score = score_of(metrics)
            metrics |= {} if score is None else {"score": score}
        metrics |= {n: int(sums[n]) for n in ("skipped", "empty_masks") if n in sums}
        if self.index.skipped:
            metrics["left_out"] = sum(self.index.skipped.values())
        return metrics

    def parameter_groups(self, model: nn.Module, stage: StageConfig) -> list[dict[str, Any]]:
        """See `backbone_and_rest`."""
        return backbone_and_rest(model, stage)

    def shared_parameters(self, model: nn.Module) -> list[nn.Parameter]:
        """What all three tasks learn from."""
        return cast(Any, model).shared_parameters()

    def set_mode(self, model: nn.Module, stage: StageConfig) -> None:
        """Which parts learn, and how those that do not behave."""
        freeze_parts(model, stage.freeze)
        asked = () if self._lessons is None else sum(self._lessons.asked.values(), ())
        for task in UNIFIED_TASKS:
            if task not in (*self.config.tasks, *asked):  # no loss sees these answers
                cast(Any, model).own[task].requires_grad_(False)
        apply_stage_mode(model, stage.freeze)

    def describe(self, batch: Batch) -> str:
        """Files of the batch's images."""
        sets = {"det": self.index.det, "seg": self.index.seg, "cls": self.index.cls}
        names = []
        for task in self.config.tasks:
            index = sets[task]
            assert index is not None
            names += [index.image_uri(row) for row in batch[f"{task}_index"].tolist() if row >= 0]
        return f"the images {', '.join(names)}"


def _answered(
    outputs: Mapping[UnifiedTaskName, UnifiedOutput],
    task: UnifiedTaskName,
    again: Container[UnifiedTaskName],
) -> UnifiedOutput:
    """The answers to a task's images, those of subjects in `again` from passes of their own."""
    maps = (outputs[name if name in again else task] for name in UNIFIED_TASKS)
    return UnifiedOutput(*(said[place] for place, said in enumerate(maps)))


def _mean_sums(name: str, value: Tensor | None, count: Tensor) -> dict[str, Tensor]:
    """Statistics of a loss that is a mean over `count`; of one that is absent, zeros."""
    weight = torch.zeros_like(count) if value is None else count.clone()
    total = torch.zeros_like(count) if value is None else value.detach().double() * weight
    return {f"loss/{name}": total, f"weight/{name}": weight}


def _size(images: Tensor) -> tuple[int, int]:
    """Height and width of (B, 3, H, W) images."""
    return images.shape[2], images.shape[3]


def sides_of(config: UnifiedRunConfig) -> dict[UnifiedTaskName, int]:
    """Side of each task's images in pixels."""
    sizes = config.data.sizes
    return {"det": sizes.det, "seg": sizes.seg, "cls": sizes.cls}

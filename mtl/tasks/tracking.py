"""Trackers with the condition head: what the tracker families have in common, and each of them."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from mtl.conditions import OUTPUT_NAMES
from mtl.config.schema import HIPTrackConfig, StageConfig, TrackerRunConfig
from mtl.data.class_weights import training_class_weights
from mtl.data.frame_index import FrameIndex
from mtl.data.normalize import normalize
from mtl.losses.boxes import giou_loss, published_giou_loss
from mtl.losses.conditions import ConditionLoss, Mean, build_condition_loss
from mtl.losses.tracking import tracking_losses
from mtl.models.build import build_model
from mtl.models.elimination import keep_ratio_at
from mtl.models.freeze import apply_stage_mode, freeze_parts
from mtl.models.tracker import TrackerOutput
from mtl.tasks.condition_scores import SCORES
from mtl.tasks.loss_means import loss_means
from mtl.tasks.parameter_groups import backbone_and_rest
from mtl.tasks.task import Batch, Metrics, Moment, TaskLosses


class TrackingTask:
    """Losses, metrics and learning parts of a tracker on clips of a template and T frames."""

    def __init__(self, config: TrackerRunConfig, index: FrameIndex) -> None:
        self.config = config
        self.index = index
        loss = config.loss
        self.giou_loss = published_giou_loss if loss.silence_crossed_boxes else giou_loss
        self.weights = {
            "giou": loss.giou,
            "l1": loss.l1,
            "location": loss.location,
            "classification": loss.cls_weight,
            "severity": loss.cls_weight * loss.severity,
        }
        traits = config.traits
        self.class_names: Any = list(OUTPUT_NAMES[traits.answers or "classes"])
        self.condition_loss = _condition_loss(config, index)
        self.scores = SCORES[traits.answers]() if traits.answers else None
        self.loss_groups: dict[str, tuple[str, ...]] = {"tracking": ("giou", "l1", "location")}
        if config.condition_head:
            self.loss_groups["conditions"] = ("classification", "severity")

    def build_model(self) -> nn.Module:
        """The tracker, with its condition head where the config has one."""
        return build_model(self.config)

    def forward(self, model: nn.Module, batch: Batch, moment: Moment) -> TrackerOutput:
        """The model's view of a batch of clips."""
        return model(*self._inputs(batch))

    def _inputs(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Template, search, template boxes and, where the head wants them, size features."""
        head = self.config.condition_head
        return (
            normalize(batch["template"], batch["brightness"][:, 0]),
            normalize(batch["search"], batch["brightness"][:, 1:]),
            batch["template_box_xywh"],
            batch["size_features"] if head and head.size_features else None,
        )

    def losses(self, model: nn.Module, batch: Batch, moment: Moment) -> TaskLosses:
        """Box losses summed over a clip's frames, condition losses averaged over what is known."""
        output = self.forward(model, batch, moment)
        boxes, iou = tracking_losses(output, batch["search_boxes_xywh"], self.giou_loss)
        clips = torch.tensor(float(len(iou)), device=iou.device)
        means = {name: Mean(value, clips) for name, value in boxes.items()}
        if self.condition_loss and output.condition_logits is not None:
            means |= self.condition_loss(output.condition_logits, batch)
        values = {name: mean.value for name, mean in means.items()}
        return TaskLosses(values, self._statistics(means, iou, output.condition_logits, batch))

    @torch.no_grad()
    def _statistics(
        self, means: dict[str, Mean], iou: Tensor, logits: Tensor | None, batch: Batch
    ) -> dict[str, Tensor]:
        sums = {
            "iou": iou.double().sum(),
            "frames": torch.tensor(float(iou.numel()), dtype=torch.float64, device=iou.device),
            "skipped": batch["skipped"].sum().double(),
        }
        for name, (value, weight) in means.items():
            sums[f"loss/{name}"] = value.double() * weight
            sums[f"weight/{name}"] = weight.double()
        if self.scores and logits is not None:
            sums |= self.scores.statistics(logits, batch)
        return sums

    def metrics(self, statistics: dict[str, Tensor]) -> Metrics:
        """`loss/*` and `iou`; with labels also what `mtl.tasks.condition_scores` measures."""
        sums = {name: float(x) for name, x in statistics.items() if x.ndim == 0}
        metrics = loss_means(sums, self.weights) | {"iou": sums["iou"] / sums["frames"]}
        if self.scores:
            metrics |= self.scores.metrics(statistics)
        metrics["skipped"] = int(sums["skipped"])
        if self.index.skipped:
            metrics["left_out"] = sum(self.index.skipped.values())
        return metrics

    def parameter_groups(self, model: nn.Module, stage: StageConfig) -> list[dict[str, Any]]:
        """The backbone at its own rate, everything else that learns at the stage's rate."""
        return backbone_and_rest(model, stage)

    def shared_parameters(self, model: nn.Module) -> list[nn.Parameter]:
        """What boxes and conditions both learn from."""
        return cast(Any, model).shared_parameters()

    def set_mode(self, model: nn.Module, stage: StageConfig) -> None:
        """Which parts learn, and how those that do not behave."""
        freeze_parts(model, stage.freeze)
        apply_stage_mode(model, stage.freeze)

    def describe(self, batch: Batch) -> str:
        """Sequence names and template frames of the batch."""
        names = self.index.sequence_names
        clips = [
            f"{names[sequence]}/{frames[0] + 1}"
            for sequence, frames in zip(
                batch["sequence"].tolist(), batch["frames"].tolist(), strict=True
            )
        ]
        return f"the clips starting at {', '.join(clips)}"


class HIPTrackTask(TrackingTask):
    """HIPTrack, whose candidate elimination follows a schedule while it trains."""

    def forward(self, model: nn.Module, batch: Batch, moment: Moment) -> TrackerOutput:
        """See `TrackingTask.forward`.

        Validation eliminates as many search tokens as tracking does, so that its numbers speak of
        the tracker that will run.
        """
        backbone = cast(HIPTrackConfig, self.config.model).backbone
        keep = keep_ratio_at(backbone, moment.epoch) if moment.training else backbone.keep_ratio
        *inputs, size_features = self._inputs(batch)
        return model(*inputs, keep, size_features)


def _condition_loss(config: TrackerRunConfig, index: FrameIndex) -> ConditionLoss | None:
    """Of the mode's targets, weighed by the classes of the training split where that is asked."""
    targets, weights = config.traits.targets, None
    if targets is None:
        return None
    if config.loss.class_weights and config.traits.answers == "classes":
        weights = torch.from_numpy(training_class_weights(index, "loss.class_weights"))
    return build_condition_loss(config.loss, targets, weights)

"""The unified one-head model (unified specification, section 1)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mtl.config.unified import UNIFIED_TASKS, UnifiedConfig, UnifiedTaskName
from mtl.errors import ShapeError
from mtl.models.freeze import graph_if_learning
from mtl.models.unified.attention import GridAttention
from mtl.models.unified.backbone import Features, build_backbone, extract, lateral_channels, stem
from mtl.models.unified.grid import trust_boxes
from mtl.models.unified.head import GroupedHead
from mtl.models.unified.neck import Neck
from mtl.models.unified.normalization import ActiveTask, replace_norms
from mtl.models.unified.output import UnifiedOutput
from mtl.models.unified.up import Up


class Unified(nn.Module):
    """Backbone, one neck per task, attention over their sum, and one head in groups.

    Every raw map is the task's block of the head plus a 1x1 convolution of the task's own neck.
    """

    def __init__(self, config: UnifiedConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = build_backbone(config.backbone)
        self.looks_at_laterals = config.backbone.features == "laterals"
        laterals = lateral_channels(self.backbone) if self.looks_at_laterals else {}
        self.up = Up(self.backbone.num_features, laterals)
        width = config.neck_width
        self.necks = nn.ModuleDict({t: Neck(self.up.out_channels, width) for t in UNIFIED_TASKS})
        self.head = GroupedHead(config)
        self.attention = GridAttention(width, self.head.in_channels, config.attention)
        channels = (config.det_channels, config.num_seg_classes, config.num_cls_classes)
        self.own = nn.ModuleDict(
            {t: nn.Conv2d(width, c, 1) for t, c in zip(UNIFIED_TASKS, channels, strict=True)}
        )
        if config.initial_confidence is not None:
            trust_boxes(self.own["det"], config.num_boxes, config.initial_confidence)
        self._active = ActiveTask()
        replace_norms(self, config.normalization, self._active, backbone="backbone")

    def parts(self) -> dict[str, list[nn.Module]]:
        """The parts a stage can freeze, by the names of its config."""
        return {
            "backbone": [self.backbone],
            "stem": stem(self.backbone),
            "up": [self.up],
            "necks": [self.necks],
            "attention": [self.attention],
            "head": [self.head, self.own],
        }

    def shared_parameters(self) -> list[nn.Parameter]:
        """What all three tasks learn from, whichever answers: backbone and grid."""
        return [*self.backbone.parameters(), *self.up.parameters()]

    def constants(self) -> list[nn.Parameter]:
        """Parameters that never learn: none."""
        return []

    def forward(
        self, images_by_task: Mapping[UnifiedTaskName, Tensor], separate_passes: bool = False
    ) -> dict[UnifiedTaskName, UnifiedOutput]:
        """Answer a batch of images of each task; batches are never mixed.

        One call answers all tasks of a step, so that it can be wrapped as a whole.

        Args:
            images_by_task: (B, 3, H, W) normalised, by task; sizes may differ between tasks.
            separate_passes: take each of a batch's three maps from a pass of its own, that of the
                batch's task first, as published training does; each draws its own stochastic depth
                and updates the statistics of normalisation.

        Raises:
            ShapeError: a batch is no (B, 3, H, W).
        """
        return {
            task: self._separate(images, task) if separate_passes else self.answer(images, task)
            for task, images in images_by_task.items()
        }

    def answer(self, images: Tensor, task: UnifiedTaskName) -> UnifiedOutput:
        """One pass.

        Args:
            images: (B, 3, H, W) normalised.
            task: whose images they are.
        """
        return self.answer_features(self.features(images, task), task)

    def features(self, images: Tensor, task: UnifiedTaskName) -> Features:
        """What the backbone makes of images; all that is worth keeping of one that is frozen.

        Args:
            images: (B, 3, H, W) normalised.
            task: whose images they are.
        """
        if images.dim() != 4 or images.shape[1] != 3:
            raise ShapeError(f"{task} images must be (B, 3, H, W), got {tuple(images.shape)}.")
        self._active.set(task)
        # Channels last in memory, which convolutions keep: a training step of EfficientNet-Lite0
        # takes 0.71 of the time (8 images of 256 px, one CPU thread) and says the same numbers.
        images = images.contiguous(memory_format=torch.channels_last)
        with graph_if_learning(self.backbone):
            return extract(self.backbone, images, self.looks_at_laterals)

    def answer_features(self, features: Features, task: UnifiedTaskName) -> UnifiedOutput:
        """The raw maps of images whose features are known.

        Args:
            features: of `features`.
            task: whose images they are.
        """
        self._active.set(task)
        grid = self.up(features)
        necks = {name: neck(grid) for name, neck in self.necks.items()}
        blocks = self.head.blocks(self.attention(necks["cls"] + necks["seg"] + necks["det"]))
        maps = []
        for block, name in zip(blocks, UNIFIED_TASKS, strict=False):
            own = self.own[name](necks[name])
            maps.append(block[:, : own.shape[1]] + own)
        return UnifiedOutput(*maps)

    def _separate(self, images: Tensor, task: UnifiedTaskName) -> UnifiedOutput:
        own = UNIFIED_TASKS.index(task)
        order = (own, *(index for index in range(len(UNIFIED_TASKS)) if index != own))
        maps = {index: self.answer(images, task)[index] for index in order}
        return UnifiedOutput(*(maps[index] for index in range(len(UNIFIED_TASKS))))

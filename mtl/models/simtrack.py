"""SimTrack (Chen et al., ECCV 2022) with an auxiliary condition head, for training and tracking.

Every search frame is looked at for itself: nothing about a sequence is remembered.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from torch import Tensor, nn

from mtl.config.modes import Answers
from mtl.config.schema import ConditionHeadConfig, SimTrackConfig
from mtl.models.clip_vit import ClipBackbone, TemplateTokens
from mtl.models.condition_head import ConditionHead
from mtl.models.freeze import graph_if_learning
from mtl.models.heads import CornerHead, CornerMaps
from mtl.models.prompt import to_map
from mtl.models.tracker import TrackerOutput, TrackOutput, check_clips


class Features(NamedTuple):
    """What both heads read, C bottleneck channels."""

    class_token: Tensor
    """(B, C)."""
    search: Tensor
    """(B, N, C) row by row."""


class SimTrack(nn.Module):
    """One-stream tracker made of CLIP's transformer, a bottleneck and a corner head.

    Args:
        config: sizes of the network and its crops.
        head: the auxiliary head; without it the model is the published one.
        answers: what the head's outputs mean.
    """

    def __init__(
        self,
        config: SimTrackConfig,
        head: ConditionHeadConfig | None = None,
        answers: Answers = "classes",
    ) -> None:
        super().__init__()
        width = config.bottleneck_width
        self.search_size = config.search.size
        self.template_size = config.template.size
        self.backbone = ClipBackbone(config.backbone, config.template.size, config.search.size)
        self.bottleneck = nn.Linear(config.backbone.width, width)
        self.box_head = CornerHead(width, config.box_head_channels)
        self.pools_search = head is not None and head.pool == "mean_search"
        # Last, so that the tracker's random start is the same with and without it.
        self.condition_head = ConditionHead(head, width, width, answers) if head else None

    @property
    def fuses(self) -> bool:
        """Whether the box depends on the condition head, which then always runs."""
        return self.condition_head is not None and self.condition_head.fuses

    def parts(self) -> dict[str, list[nn.Module]]:
        """The parts a stage can freeze, by the names of its config."""
        heads: list[nn.Module] = [] if self.condition_head is None else [self.condition_head]
        return {
            "backbone": [self.backbone.visual],
            "position": [self.backbone.pos_fc],
            "bottleneck": [self.bottleneck],
            "box_head": [self.box_head],
            "condition_head": heads,
        }

    def shared_parameters(self) -> list[nn.Parameter]:
        """What boxes and conditions both learn from."""
        return [*self.backbone.parameters(), *self.bottleneck.parameters()]

    def constants(self) -> list[nn.Parameter]:
        """Parameters that exist for their published names only and never learn."""
        return [self.backbone.visual.proj]

    def forward(
        self,
        template: Tensor,
        search: Tensor,
        template_boxes_xywh: Tensor,
        size_features: Tensor | None = None,
    ) -> TrackerOutput:
        """Find the target in every frame of B clips.

        Args:
            template: (B, 3, z, z) normalised.
            search: (B, T, 3, s, s) normalised.
            template_boxes_xywh: (B, 4) over the side of the template crop.
            size_features: (B, T, 2) for the condition head, if it has `size_features`.

        Raises:
            ShapeError: if a shape does not fit the config or the others.
        """
        check_clips(self, template, search, template_boxes_xywh)
        clips = search.shape[:2]
        start = TemplateTokens(
            *(
                tokens[:, None].expand(-1, clips[1], -1, -1).flatten(0, 1)
                for tokens in self.start(template, template_boxes_xywh)
            )
        )
        features = self.features(start, search.flatten(0, 1))
        sizes = None if size_features is None else size_features.flatten(0, 1)
        hidden = self._condition_features(features, sizes)
        boxes, _ = self._maps(features, hidden).decode()
        logits = self._logits(hidden)
        if logits is not None:
            logits = logits.unflatten(0, clips)
        return TrackerOutput(None, None, None, boxes.unflatten(0, clips), logits)

    def features(self, template: TemplateTokens, search: Tensor) -> Features:
        """The one pass through the backbone that both heads read.

        Args:
            template: from `start`.
            search: (B, 3, s, s) normalised.
        """
        with graph_if_learning(self.backbone):
            seen = self.backbone(template, search)
        return Features(self.bottleneck(seen.class_token), self.bottleneck(seen.search))

    def boxes(self, features: Features, size_features: Tensor | None = None) -> CornerMaps:
        """The box head alone, and of the condition head what a fusion needs.

        Args:
            features: from `features`.
            size_features: (B, 2), needed if conditions change the box and the head wants them.
        """
        hidden = self._condition_features(features, size_features) if self.fuses else None
        return self._maps(features, hidden)

    def conditions(self, features: Features, size_features: Tensor | None = None) -> Tensor | None:
        """The condition head alone: logits (B, 10), None without such a head.

        Args:
            features: from `features`.
            size_features: (B, 2), if the head wants them.
        """
        return self._logits(self._condition_features(features, size_features))

    def template_box(self, box_xywh: np.ndarray, resize_factor: float) -> np.ndarray:
        """See `OnlineModel.template_box`; the corner in whole pixels (SimTrack spec 8.2).

        Published weights are tracked with so, though training centres boxes half a pixel lower.
        """
        extent = box_xywh[2:] * resize_factor
        corner = np.trunc(self.template_size / 2 - extent / 2)
        return np.concatenate([corner, extent]) / self.template_size

    def empty_memory(self) -> None:
        """See `OnlineModel.empty_memory`: this model remembers nothing."""

    def start(self, template: Tensor, template_boxes_xywh: Tensor) -> TemplateTokens:
        """What is worth computing once per sequence.

        Args:
            template: (B, 3, z, z) normalised.
            template_boxes_xywh: (B, 4) over the side of the template crop.
        """
        with graph_if_learning(self.backbone):
            return self.backbone.embed_template(template, template_boxes_xywh)

    def track(
        self,
        template: TemplateTokens,
        search: Tensor,
        memory: Any,
        index: int | Tensor,
        size_features: Tensor | None = None,
        conditions: bool = False,
    ) -> TrackOutput:
        """Find the target in the next frame (SimTrack spec 8.2).

        Args:
            template: from `start`.
            search: (B, 3, s, s) normalised.
            memory: from `empty_memory`; given back as it is.
            index: number of the frame, which changes nothing.
            size_features: (B, 2), needed where the condition head runs and wants them.
            conditions: run the condition head even if no box depends on it.
        """
        features = self.features(template, search)
        hidden = None
        if conditions or self.fuses:
            hidden = self._condition_features(features, size_features)
        maps = self._maps(features, hidden)
        return TrackOutput(maps, maps.decode()[0], memory, self._logits(hidden))

    def _condition_features(
        self, features: Features, size_features: Tensor | None
    ) -> Tensor | None:
        if self.condition_head is None:
            return None
        pooled = features.search.mean(dim=1) if self.pools_search else features.class_token
        return self.condition_head.features(pooled, size_features)

    def _logits(self, hidden: Tensor | None) -> Tensor | None:
        if self.condition_head is None or hidden is None:
            return None
        return self.condition_head.logits(hidden)

    def _maps(self, features: Features, hidden: Tensor | None) -> CornerMaps:
        maps = to_map(features.search, self.backbone.search_side)
        if self.condition_head is not None and hidden is not None:
            maps = self.condition_head.fuse(maps, hidden)
        return self.box_head(maps)

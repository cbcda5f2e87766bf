"""HIPTrack (Cai et al., CVPR 2024) with an auxiliary condition head, for training and tracking.

Nothing about a sequence is kept in the module: the caller holds `TemplateState` and `Memory`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtl.config.modes import Answers
from mtl.config.schema import ConditionHeadConfig, HIPTrackConfig
from mtl.geometry.crop import box_in_crop
from mtl.geometry.masks import prediction_mask, template_mask
from mtl.models.condition_head import ConditionHead
from mtl.models.freeze import graph_if_learning
from mtl.models.heads import CenterMaps, CornerMaps, build_box_head
from mtl.models.memory import AnyOnlineMemory, ClipMemory, Readable, RingMemory
from mtl.models.prompt import (
    HistoricalPrompt,
    KeyProjection,
    PromptEncoder,
    ResidualBlock,
    to_map,
    to_tokens,
)
from mtl.models.tracker import TrackerOutput, TrackOutput, check_clips
from mtl.models.vit import Backbone

AnyMaps = CenterMaps | CornerMaps

LAST_TEMPLATE_INDEX = 10
"""Up to this frame the tracker reads the template instead of its memory (HIPTrack spec 7)."""
EARLY_WRITES = (5, 10)
"""Frames of that phase which are remembered whatever the update interval is."""


class TemplateState(NamedTuple):
    """What depends on the template and its box alone."""

    tokens: Tensor
    """(B, Nz, C) embedded."""
    encoded: Tensor
    """(B, Ce, h', w') prompt encoder's view of the enlarged template and its mask."""


class View(NamedTuple):
    """Features of one search frame; they depend on no other frame of the sequence."""

    template_map: Tensor
    """(B, C, hz, wz)."""
    search_map: Tensor
    """(B, C, h, w), zero where tokens were removed."""
    removed: tuple[Tensor | None, ...]
    """Token numbers each elimination removed."""
    key: Tensor
    """(B, h w, Ck)."""
    thin: Tensor
    """(B, Cv, h, w)."""
    kept: Tensor
    """(B, K, C) tokens that were not removed; the condition head sees their mean."""

    def of(self, sequences: slice) -> View:
        """Of some sequences of the batch."""
        return View(
            self.template_map[sequences],
            self.search_map[sequences],
            tuple(None if gone is None else gone[sequences] for gone in self.removed),
            self.key[sequences],
            self.thin[sequences],
            self.kept[sequences],
        )


class HIPTrack(nn.Module):
    """One-stream tracker that is prompted by its own earlier results.

    Args:
        config: sizes of the network and its crops.
        head: the auxiliary head; without it the model is the published one.
        answers: what the head's outputs mean.
    """

    def __init__(
        self,
        config: HIPTrackConfig,
        head: ConditionHeadConfig | None = None,
        answers: Answers = "classes",
    ) -> None:
        super().__init__()
        width = config.backbone.width
        value_width = width // 2
        prompt = config.prompt
        self.search_size = config.search.size
        self.template_size = config.template.size
        self.frames_per_pass = config.frames_per_pass
        self.update_interval = config.memory.update_interval
        self.memory_capacity = config.memory.capacity
        self.backbone = Backbone(config.backbone, config.template.size, config.search.size)
        self.box_head = build_box_head(config.box_head, width)
        self.HIP = HistoricalPrompt(
            PromptEncoder(width, value_width, prompt.encoder_width, prompt.gate_reduction)
        )
        self.key_proj = KeyProjection(width, prompt.key_width)
        self.key_comp = nn.Conv2d(width, value_width, kernel_size=3, padding=1)
        self.searchRegionFusion = ResidualBlock(width, width)
        # Last, so that the tracker's random start is the same with and without it.
        self.condition_head = ConditionHead(head, width, width, answers) if head else None

    def parts(self) -> dict[str, list[nn.Module]]:
        """The parts a stage can freeze, by the names of its config."""
        heads: list[nn.Module] = [] if self.condition_head is None else [self.condition_head]
        return {
            "backbone": [self.backbone],
            "prompt": [self.HIP, self.key_proj, self.key_comp, self.searchRegionFusion],
            "box_head": [self.box_head],
            "condition_head": heads,
        }

    def shared_parameters(self) -> list[nn.Parameter]:
        """What boxes and conditions both learn from."""
        return list(self.backbone.parameters())

    def constants(self) -> list[nn.Parameter]:
        """Parameters that exist for their published names only and never learn."""
        return [self.backbone.cls_token, self.backbone.pos_embed]

    def forward(
        self,
        template: Tensor,
        search: Tensor,
        template_boxes_xywh: Tensor,
        keep_ratio: float | None = None,
        size_features: Tensor | None = None,
    ) -> TrackerOutput:
        """Follow the target through B clips, remembering every frame (HIPTrack spec 6).

        Args:
            template: (B, 3, z, z) normalised.
            search: (B, T, 3, s, s) normalised.
            template_boxes_xywh: (B, 4) over the side of the template crop.
            keep_ratio: share of search tokens each elimination keeps; none: as in tracking.
            size_features: (B, T, 2) for the condition head, if it has `size_features`.

        Raises:
            ShapeError: if a shape does not fit the config or the others.
        """
        check_clips(self, template, search, template_boxes_xywh)
        start = self.start(template, template_boxes_xywh)
        memory = ClipMemory()
        maps: list[AnyMaps] = []
        boxes: list[Tensor] = []
        logits: list[Tensor] = []
        last = search.shape[1] - 1
        for number, view in enumerate(self._views(start.tokens, search, keep_ratio)):
            read_from = memory
            if number == 0:
                read_from = ClipMemory().append(*self._template_entry(start.encoded, view))
            sizes = None if size_features is None else size_features[:, number]
            features = self._condition_features(view, sizes)
            found = self._predict(view, read_from, features)
            box, _ = found.decode()
            if number < last:
                memory = memory.append(*self._entry(search[:, number], view, box))
            maps.append(found)
            boxes.append(box)
            if self.condition_head is not None and features is not None:
                logits.append(self.condition_head.logits(features))
        conditions = torch.stack(logits, dim=1) if logits else None
        if not isinstance(maps[0], CenterMaps):
            return TrackerOutput(None, None, None, torch.stack(boxes, dim=1), conditions)
        score_map, size_map, offset_map = (
            torch.stack(frames, dim=1) for frames in zip(*maps, strict=True)
        )
        return TrackerOutput(score_map, size_map, offset_map, torch.stack(boxes, dim=1), conditions)

    def template_box(self, box_xywh: np.ndarray, resize_factor: float) -> np.ndarray:
        """See `OnlineModel.template_box`: as in training (HIPTrack spec 10.3)."""
        return box_in_crop(box_xywh, box_xywh, resize_factor, self.template_size)

    def empty_memory(self) -> RingMemory:
        """See `OnlineModel.empty_memory`."""
        return RingMemory(self.memory_capacity)

    def start(self, template: Tensor, template_boxes_xywh: Tensor) -> TemplateState:
        """What is worth computing once per sequence.

        Args:
            template: (B, 3, z, z) normalised.
            template_boxes_xywh: (B, 4) over the side of the template crop.
        """
        with graph_if_learning(self.backbone):
            tokens = self.backbone.embed_template(template)
        mask = template_mask(template_boxes_xywh, self.search_size)
        enlarged = _enlarge(template, self.search_size)
        return TemplateState(tokens, self.HIP.encoder.encode(enlarged, mask))

    def track(
        self,
        template: TemplateState,
        search: Tensor,
        memory: AnyOnlineMemory,
        index: int | Tensor,
        size_features: Tensor | None = None,
        conditions: bool = False,
    ) -> TrackOutput:
        """Find the target in the next frame (HIPTrack spec 7).

        Computes no condition unless asked to, or the box head's input depends on it.

        Args:
            template: from `start`.
            search: (B, 3, s, s) normalised.
            memory: of these sequences; `empty_memory()` at their start, or a `BatchMemory`.
            index: number of the frame, 1 for the first after the initial one; (B,) int64 for
                sequences of a `BatchMemory`.
            size_features: (B, 2), needed if the condition head runs and wants them.
            conditions: whether to run the condition head, where there is one.
        """
        head = self.condition_head
        (view,) = self._views(template.tokens, search[:, None], None)
        runs_head = head is not None and (conditions or head.fuses)
        features = self._condition_features(view, size_features) if runs_head else None
        read_from = memory.unless(
            index <= LAST_TEMPLATE_INDEX,
            lambda rows: self._template_entry(template.encoded[rows], view.of(rows)),
        )
        maps = self._predict(view, read_from, features)
        box, _ = maps.decode()
        due = is_written(index, self.update_interval)
        memory = memory.append_if(
            due, lambda rows: self._entry(search[rows], view.of(rows), box[rows])
        )
        logits = None if head is None or features is None else head.logits(features)
        return TrackOutput(maps, box, memory, logits)

    def _views(
        self, template_tokens: Tensor, search: Tensor, keep_ratio: float | None
    ) -> Iterator[View]:
        """Features of each frame; how many go through in one pass changes nothing."""
        B, T = search.shape[:2]
        per_pass = self.frames_per_pass or (1 if search.device.type == "cpu" else T)
        factors = self.backbone.stochastic_depth(B, T, search.device)
        for first in range(0, T, per_pass):
            chunk = search[:, first : first + per_pass]
            n = chunk.shape[1]
            flat = chunk.flatten(0, 1)
            with graph_if_learning(self.backbone):
                repeated = template_tokens[:, None].expand(-1, n, -1, -1).flatten(0, 1)
                seen = self.backbone(
                    repeated,
                    self.backbone.embed_search(flat),
                    keep_ratio,
                    None if factors is None else factors[..., first : first + n].flatten(2),
                )
            search_maps = to_map(seen.search, self.backbone.search_side)
            template_maps = to_map(seen.template, self.backbone.template_side)
            keys = to_tokens(self.key_proj(search_maps))
            thin = self.key_comp(search_maps)
            for number in range(n):
                frame = slice(number, None, n)
                yield View(
                    template_maps[frame],
                    search_maps[frame],
                    tuple(None if gone is None else gone[frame] for gone in seen.removed),
                    keys[frame],
                    thin[frame],
                    seen.kept[frame],
                )

    def _template_entry(self, encoded: Tensor, view: View) -> tuple[Tensor, Tensor]:
        """Key and value of a target that has been seen in the template only."""
        features = _enlarge(view.template_map, self.backbone.search_side)
        key = to_tokens(self.key_proj(features))
        value = to_tokens(self.HIP.encoder.fuse(encoded, features))
        return key, value

    def _condition_features(self, view: View, size_features: Tensor | None) -> Tensor | None:
        if self.condition_head is None:
            return None
        return self.condition_head.features(view.kept.float().mean(dim=1), size_features)

    def _predict(self, view: View, memory: Readable, conditions: Tensor | None) -> AnyMaps:
        prompt = self.HIP.decoder(memory, view.key, view.thin)
        maps = self.searchRegionFusion(view.search_map + prompt)
        if self.condition_head is not None and conditions is not None:
            maps = self.condition_head.fuse(maps, conditions)
        return self.box_head(maps)

    def _entry(self, search: Tensor, view: View, box: Tensor) -> tuple[Tensor, Tensor]:
        """Key and value that remember a frame and where the target was in it."""
        mask = prediction_mask(box, self.search_size, view.removed, self.backbone.search_side**2)
        encoder = self.HIP.encoder
        value = encoder.fuse(encoder.encode(search, mask), view.search_map)
        return view.key, to_tokens(value)


def is_written(index: int | Tensor, update_interval: int) -> bool | Tensor:
    """Whether a frame is remembered: frames 5 and 10, later each `update_interval`-th (spec 7)."""
    later = (index > LAST_TEMPLATE_INDEX) & (index % update_interval == 0)
    for early in EARLY_WRITES:
        later = later | (index == early)
    return later


def _enlarge(maps: Tensor, side: int) -> Tensor:
    """Template to search size, corner to corner."""
    return F.interpolate(maps, size=(side, side), mode="bilinear", align_corners=True)

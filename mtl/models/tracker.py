"""What every tracker offers, whatever its network: to training, and to the online tracker."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from torch import Tensor

from mtl.models.heads import CenterMaps, CornerMaps


class TrackerOutput(NamedTuple):
    """What a model says about B clips of T search frames; maps are None with a corner head."""

    score_map: Tensor | None
    """(B, T, 1, h, w) in (0, 1)."""
    size_map: Tensor | None
    """(B, T, 2, h, w) in (0, 1)."""
    offset_map: Tensor | None
    """(B, T, 2, h, w) in cells."""
    boxes_cxcywh: Tensor
    """(B, T, 4) over the side of the search crop."""
    condition_logits: Tensor | None
    """(B, T, 10); None without a condition head."""


class TrackOutput(NamedTuple):
    """What a model says about one tracked frame, and the memory after it."""

    maps: CenterMaps | CornerMaps
    """Of the box head."""
    box_cxcywh: Tensor
    """(B, 4) read from the maps as they are, over the side of the search crop."""
    memory: Any
    """To be given with the next frame."""


class OnlineModel(Protocol):
    """What the online tracker needs of a model; state is explicit and belongs to the caller."""

    def eval(self) -> Any:
        """Eval mode."""

    def template_box(self, box_xywh: np.ndarray, resize_factor: float) -> np.ndarray:
        """Where the first frame's box (4,) in pixels lies in its crop: (4,) xywh over the side."""

    def start(self, template: Tensor, template_boxes_xywh: Tensor) -> Any:
        """What is worth computing once: (B, 3, z, z) normalised and (B, 4) from `template_box`."""

    def empty_memory(self) -> Any:
        """Memory of a sequence that has just begun."""

    def track(
        self,
        template: Any,
        search: Tensor,
        memory: Any,
        index: int,
        size_features: Tensor | None = None,
    ) -> TrackOutput:
        """Find the target in frame `index` (1: the first after the initial one).

        `size_features` (B, 2) matter only to a condition head that changes the box.
        """

"""What every tracker offers, whatever its network: to training, and to the online tracker."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from torch import Tensor

from mtl.errors import ShapeError
from mtl.models.condition_head import ConditionHead
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
    condition_logits: Tensor | None
    """(B, 10); None where the condition head did not run."""


class OnlineModel(Protocol):
    """What the online tracker needs of a model; state is explicit and belongs to the caller."""

    condition_head: ConditionHead | None
    """Names and scales its outputs; none: the model says nothing of conditions."""

    def eval(self) -> Any:
        """Eval mode."""

    def template_box(self, box_xywh: np.ndarray, resize_factor: float) -> np.ndarray:
        """Where the first frame's box (4,) in pixels lies in its crop: (4,) xywh over the side."""

    def start(self, template: Tensor, template_boxes_xywh: Tensor) -> Any:
        """What is worth computing once: (B, 3, z, z) normalised and (B, 4) from `template_box`.

        A named tuple of tensors, all with the B sequences first, so that those of several calls
        can be put together.
        """

    def empty_memory(self) -> Any:
        """Memory of a sequence that has just begun; a `BatchMemory` joins those of several."""

    def track(
        self,
        template: Any,
        search: Tensor,
        memory: Any,
        index: int | Tensor,
        size_features: Tensor | None = None,
        conditions: bool = False,
    ) -> TrackOutput:
        """Find the target in frame `index` (1: the first after the initial one).

        The sequences of a `BatchMemory` need not be in step: their `index` is (B,) int64. A
        result depends on nothing but the arguments, and a sequence's on its own alone.

        The condition head runs if `conditions` asks for it or the box depends on it; then it may
        want `size_features` (B, 2).
        """


class Cropped(Protocol):
    """A model of crops of fixed sizes."""

    template_size: int
    """Side in pixels."""
    search_size: int
    """Side in pixels."""


def check_clips(model: Cropped, template: Tensor, search: Tensor, boxes: Tensor) -> None:
    """Raise ShapeError unless a model's inputs are B clips of one template and T >= 1 frames."""
    B, z, s = template.shape[0], model.template_size, model.search_size
    T = search.shape[1] if search.dim() == 5 else 1
    for name, tensor, wanted in (
        ("template", template, (B, 3, z, z)),
        ("search", search, (B, max(T, 1), 3, s, s)),
        ("template_boxes_xywh", boxes, (B, 4)),
    ):
        if tensor.shape != wanted:
            raise ShapeError(f"{name} must be {wanted}, got {tuple(tensor.shape)}.")

"""One frame of online tracking (HIPTrack spec 7, SimTrack spec 8), for any number of sequences.

What a sequence leaves behind for its next frame is a value of its own, so the caller decides which
sequences go through the network together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from mtl.config.schema import TrackerConfig
from mtl.data.normalize import normalize
from mtl.errors import ConfigError, DataError
from mtl.geometry.boxes import clip_box_xywh_np
from mtl.geometry.crop import Crop, box_to_image, crop, size_features, square_around
from mtl.models.batch_memory import BatchMemory
from mtl.models.tracker import OnlineModel, TrackOutput
from mtl.models.window import window_of
from mtl.tracking.checks import check_first_box, check_frame

CLIP_MARGIN = 10.0
"""Pixels of a box that stay in the picture, and its least width and height."""


class TrackResult(NamedTuple):
    """Where the target is in a frame."""

    box_xywh: np.ndarray
    """(4,) float64, pixels of the picture."""
    score: float
    """Of the chosen cell, in (0, 1), without the window."""
    conditions: dict[str, float] | None = None
    """What the condition head says of the frame, by name; none if it is not asked."""


@dataclass(frozen=True)
class TrackState:
    """Everything a sequence leaves behind for its next frame."""

    template: Any
    """Of the first frame."""
    memory: Any
    """Of earlier frames."""
    box_xywh: np.ndarray
    """(4,) float64 pixels; where the target was last."""
    first_box_xywh: np.ndarray
    """(4,) float64 pixels; where it was at the start."""
    index: int
    """Number of the last frame, 0 for the first."""


class TrackStep:
    """A model with its pictures cut before and its boxes put back after; keeps no sequence.

    Args:
        model: in whatever mode; `start` sets eval mode.
        config: the model's.
        device: where the model is and runs.
        conditions: whether the condition head is asked about every frame.

    Raises:
        ConfigError: if the model has no condition head to ask.
    """

    def __init__(
        self,
        model: OnlineModel,
        config: TrackerConfig,
        device: torch.device,
        conditions: bool = False,
    ) -> None:
        if conditions and model.condition_head is None:
            raise ConfigError("this model has no condition head; track without conditions.")
        self.model = model
        self.condition_head = model.condition_head if conditions else None
        self.config = config
        self.device = device

    @torch.inference_mode()
    def start(self, frame: np.ndarray, box_xywh: ArrayLike) -> TrackState:
        """State of a sequence whose target is at `box_xywh` in `frame`; its memory is empty.

        Args:
            frame: (H, W, 3) uint8 RGB.
            box_xywh: (4,) pixels of the picture.

        Raises:
            ShapeError: if the frame or the box has another shape, or the frame another type.
            DataError: if the box is not finite, has no area, shows nothing of the picture, or is
                too large to be cut out.
        """
        check_frame(frame)
        box = check_first_box(box_xywh, frame)
        square_around(box, self.config.search.factor)  # what the next frame will ask of it
        self.model.eval()
        cut = crop(frame, box, self.config.template.factor, self.config.template.size)
        box_in_template = self.model.template_box(box, cut.resize_factor)
        template = self.model.start(self._input([cut]), self._tensor([box_in_template]))
        return TrackState(template, self.model.empty_memory(), box, box, 0)

    @torch.inference_mode()
    def advance(
        self, states: Sequence[TrackState], frames: Sequence[np.ndarray]
    ) -> list[tuple[TrackState, TrackResult]]:
        """Find each target in the next frame of its sequence, in one pass through the network.

        A state is used up: a memory that was written cannot be gone back to, and says so.

        Args:
            states: of B sequences, at whatever frame each is.
            frames: B pictures (H, W, 3) uint8 RGB, each of its own size.

        Returns:
            For each the state after the frame, and where the target is.

        Raises:
            ShapeError: if a frame has another shape or type.
            DataError: if the model's box is not finite.
        """
        for frame in frames:
            check_frame(frame)
        if not states:
            return []
        factor, size = self.config.search.factor, self.config.search.size
        cuts = [
            crop(frame, state.box_xywh, factor, size)
            for state, frame in zip(states, frames, strict=True)
        ]
        found = self.model.track(
            _joined([state.template for state in states]),
            self._input(cuts),
            BatchMemory(tuple(state.memory for state in states)),
            torch.tensor([state.index + 1 for state in states]),
            self._tensor([size_features(state.box_xywh, state.first_box_xywh) for state in states]),
            conditions=self.condition_head is not None,
        )
        # The window favours the middle of the crop here only: the memory saw the plain maps.
        boxes, scores = found.maps.decode(window_of(found.maps))
        answers = torch.cat([boxes, scores[:, None], self._probabilities(found)], dim=1)
        rows = answers.tolist()  # the one wait for the device
        return [
            self._placed(*each)
            for each in zip(states, found.memory.sequences, frames, cuts, rows, strict=True)
        ]

    def _placed(
        self, state: TrackState, memory: Any, frame: np.ndarray, cut: Crop, row: list[float]
    ) -> tuple[TrackState, TrackResult]:
        """State and result of a sequence from the model's box, score and probabilities."""
        if not all(math.isfinite(value) for value in row[:4]):
            raise DataError(
                f"the model's box of frame {state.index + 1} after the first must be finite, got "
                f"{row[:4]}; its weights are broken."
            )
        in_crop = np.array(row[:4], dtype=np.float32)
        size = self.config.search.size
        in_picture = box_to_image(in_crop, state.box_xywh, cut.resize_factor, size)
        height, width = frame.shape[:2]
        box = clip_box_xywh_np(in_picture, height, width, CLIP_MARGIN)
        after = replace(state, memory=memory, box_xywh=box, index=state.index + 1)
        # A copy for the caller, to do with as they like.
        return after, TrackResult(box.copy(), row[4], self._named(row[5:]))

    def _probabilities(self, found: TrackOutput) -> Tensor:
        """(B, 10), or (B, 0) where the head is not asked."""
        if self.condition_head is None or found.condition_logits is None:
            return found.box_cxcywh.new_empty(len(found.box_cxcywh), 0)
        return self.condition_head.probabilities(found.condition_logits)

    def _named(self, answers: list[float]) -> dict[str, float] | None:
        if self.condition_head is None:
            return None
        return dict(zip(self.condition_head.names, answers, strict=True))

    def _input(self, cuts: Sequence[Crop]) -> Tensor:
        return normalize(torch.from_numpy(np.stack([cut.image for cut in cuts])).to(self.device))

    def _tensor(self, rows: Sequence[np.ndarray]) -> Tensor:
        return torch.tensor(np.stack(rows), dtype=torch.float32, device=self.device)


def _joined(templates: Sequence[Any]) -> Any:
    """Named tuples of tensors, one for each sequence, as one of the whole batch."""
    if len(templates) == 1:
        return templates[0]
    return templates[0]._make(torch.cat(parts) for parts in zip(*templates, strict=True))

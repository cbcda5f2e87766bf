"""The online tracker: one picture in, one box out (HIPTrack spec 7, SimTrack spec 8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from mtl.config.schema import TrackerConfig
from mtl.data.normalize import normalize
from mtl.errors import ConfigError
from mtl.geometry.boxes import clip_box_xywh_np
from mtl.geometry.crop import box_to_image, crop, size_features
from mtl.models.tracker import OnlineModel, TrackOutput
from mtl.models.window import window_of

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


class Tracker:
    """Follows the target of a first box; starting anew forgets the sequence before.

    Args:
        model: in whatever mode; `init` sets eval mode.
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
        self.state: TrackState | None = None

    @torch.inference_mode()
    def init(self, frame: np.ndarray, box_xywh: ArrayLike) -> None:
        """Start a sequence with an empty memory.

        Args:
            frame: (H, W, 3) uint8 RGB.
            box_xywh: (4,) pixels of the picture.

        Raises:
            DataError: if the box has no area.
        """
        self.model.eval()
        size = self.config.template.size
        box = np.array(box_xywh, dtype=np.float64)
        cut = crop(frame, box, self.config.template.factor, size)
        box_in_template = self.model.template_box(box, cut.resize_factor)
        template = self.model.start(
            self._input(cut.image),
            torch.tensor(box_in_template[None], dtype=torch.float32, device=self.device),
        )
        self.state = TrackState(template, self.model.empty_memory(), box, box, 0)

    @torch.inference_mode()
    def update(self, frame: np.ndarray) -> TrackResult:
        """Find the target in the next frame (H, W, 3) uint8 RGB.

        Raises:
            RuntimeError: if no sequence was started.
        """
        state = self.state
        if state is None:
            raise RuntimeError("the tracker has no target; call init with a frame and a box first.")
        size = self.config.search.size
        index = state.index + 1
        cut = crop(frame, state.box_xywh, self.config.search.factor, size)
        sizes = size_features(state.box_xywh, state.first_box_xywh)
        found = self.model.track(
            state.template,
            self._input(cut.image),
            state.memory,
            index,
            torch.tensor(sizes[None], dtype=torch.float32, device=self.device),
            conditions=self.condition_head is not None,
        )
        # The window favours the middle of the crop here only: the memory saw the plain maps.
        box, score = found.maps.decode(window_of(found.maps))
        said = self._probabilities(found)
        numbers = torch.cat([box[0], score, said]).tolist()  # the frame's one wait
        chosen, confidence, answers = numbers[:4], numbers[4], numbers[5:]
        in_crop = np.array(chosen, dtype=np.float32)
        in_picture = box_to_image(in_crop, state.box_xywh, cut.resize_factor, size)
        height, width = frame.shape[:2]
        clipped = clip_box_xywh_np(in_picture, height, width, CLIP_MARGIN)
        self.state = TrackState(state.template, found.memory, clipped, state.first_box_xywh, index)
        return TrackResult(clipped, confidence, self._named(answers))

    def _probabilities(self, found: TrackOutput) -> Tensor:
        if self.condition_head is None or found.condition_logits is None:
            return torch.empty(0, device=self.device)
        return self.condition_head.probabilities(found.condition_logits)[0]

    def _named(self, answers: list[float]) -> dict[str, float] | None:
        if self.condition_head is None:
            return None
        return dict(zip(self.condition_head.names, answers, strict=True))

    def _input(self, image: np.ndarray) -> Tensor:
        return normalize(torch.from_numpy(image).to(self.device)[None])

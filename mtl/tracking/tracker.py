"""The online tracker: one picture in, one box out (HIPTrack spec 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from mtl.config.schema import ModelConfig
from mtl.data.normalize import normalize
from mtl.geometry.boxes import clip_box_xywh_np
from mtl.geometry.crop import box_in_crop, box_to_image, crop
from mtl.models.hiptrack import HIPTrack, TemplateState
from mtl.models.memory import RingMemory

CLIP_MARGIN = 10.0
"""Pixels of a box that stay in the picture, and its least width and height."""


class TrackResult(NamedTuple):
    """Where the target is in a frame."""

    box_xywh: np.ndarray
    """(4,) float64, pixels of the picture."""
    score: float
    """Of the chosen cell, in (0, 1), without the window."""


@dataclass(frozen=True)
class TrackState:
    """Everything a sequence leaves behind for its next frame."""

    template: TemplateState
    """Of the first frame."""
    memory: RingMemory
    """Of earlier frames."""
    box_xywh: np.ndarray
    """(4,) float64 pixels; where the target was last."""
    index: int
    """Number of the last frame, 0 for the first."""


class Tracker:
    """Follows the target of a first box; starting anew forgets the sequence before.

    Args:
        model: in whatever mode; `init` sets eval mode.
        config: the model's.
        device: where the model is and runs.
    """

    def __init__(self, model: HIPTrack, config: ModelConfig, device: torch.device) -> None:
        self.model = model
        self.config = config
        self.device = device
        self.window = hann_window(config.search.size // config.backbone.patch_size).to(device)
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
        box_in_template = box_in_crop(box, box, cut.resize_factor, size)
        template = self.model.start(
            self._input(cut.image),
            torch.tensor(box_in_template[None], dtype=torch.float32, device=self.device),
        )
        self.state = TrackState(template, RingMemory(self.config.memory.capacity), box, 0)

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
        found = self.model.track(state.template, self._input(cut.image), state.memory, index)
        # The window favours the middle of the crop here only: the memory saw the plain maps.
        box, score = found.maps.decode(self.window)
        *chosen, confidence = torch.cat([box[0], score]).tolist()  # the frame's one wait
        in_picture = box_to_image(chosen, state.box_xywh, cut.resize_factor, size)
        height, width = frame.shape[:2]
        clipped = clip_box_xywh_np(in_picture, height, width, CLIP_MARGIN)
        self.state = TrackState(state.template, found.memory, clipped, index)
        return TrackResult(clipped, confidence)

    def _input(self, image: np.ndarray) -> Tensor:
        return normalize(torch.from_numpy(image).to(self.device)[None])


def hann_window(side: int) -> Tensor:
    """(side, side) float32 outer product of 0.5 (1 - cos(2 pi (k + 1) / (side + 1)))."""
    line = torch.hann_window(side + 2, periodic=False, dtype=torch.float64)[1:-1]
    return torch.outer(line, line).float()

"""The online tracker: one picture in, one box out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike

from mtl.config.schema import TrackerConfig
from mtl.models.tracker import OnlineModel
from mtl.tracking.finished_model import read_model
from mtl.tracking.step import TrackResult, TrackState, TrackStep


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
        self.step = TrackStep(model, config, device, conditions)
        self.state: TrackState | None = None

    @classmethod
    def open(
        cls, place: str | Path, device: torch.device | None = None, conditions: bool = False
    ) -> Tracker:
        """A tracker with a finished model.

        Args:
            place: run folder, folder of `mtl import`, or model file; a local path or a URI.
            device: where it runs; none: on a GPU where there is one.
            conditions: whether the condition head is asked about every frame.

        Raises:
            CheckpointError: if there is no such model.
            ConfigError: if it has no condition head to ask.
        """
        return cls(*read_model(place).on(device), conditions)

    @property
    def model(self) -> OnlineModel:
        """The model that tracks."""
        return self.step.model

    def init(self, frame: np.ndarray, box_xywh: ArrayLike) -> None:
        """Start a sequence with an empty memory.

        Args:
            frame: (H, W, 3) uint8 RGB.
            box_xywh: (4,) pixels of the picture; may reach over its border.

        Raises:
            ShapeError: if the frame or the box has another shape, or the frame another type.
            DataError: if the box is not finite, has no area, shows nothing of the picture, or is
                too large to be cut out.
        """
        self.state = self.step.start(frame, box_xywh)

    def update(self, frame: np.ndarray) -> TrackResult:
        """Find the target in the next frame (H, W, 3) uint8 RGB.

        Raises:
            RuntimeError: if no sequence was started.
            ShapeError: if the frame has another shape or type; the sequence can go on.
            DataError: if the model's box is not finite.
        """
        if self.state is None:
            raise RuntimeError("the tracker has no target; call init with a frame and a box first.")
        ((self.state, result),) = self.step.advance([self.state], [frame])
        return result

    def reset(self) -> None:
        """Forget the sequence, and give back its memory."""
        self.state = None

"""The online tracker for several sequences at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike

from mtl.config.schema import TrackerConfig
from mtl.errors import ShapeError
from mtl.models.tracker import OnlineModel
from mtl.tracking.checks import check_frame
from mtl.tracking.finished_model import read_model
from mtl.tracking.step import TrackResult, TrackState, TrackStep


class TrackerBatch:
    """Follows the targets of several sequences, all frames of a moment in one pass.

    Sequences have names; they start and end when they like, and have pictures of their own sizes.
    Each has its own state, so its boxes are those that `Tracker` finds for it alone, to rounding: a
    batch goes through other kernels than a single frame, whose sums differ in their last digits.
    Where two cells or tokens score alike to those digits either may win, here as on another device.

    HIPTrack's memory of a sequence takes its full size from frame 5 on: 155 MB in the published
    sizes (150 entries of 576 cells, 448 channels).

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
        self.states: dict[str, TrackState] = {}

    @classmethod
    def open(
        cls, place: str | Path, device: torch.device | None = None, conditions: bool = False
    ) -> TrackerBatch:
        """Trackers with a finished model; see `Tracker.open`."""
        return cls(*read_model(place).on(device), conditions)

    def init(self, name: str, frame: np.ndarray, box_xywh: ArrayLike) -> None:
        """Start a sequence, or start it anew; see `Tracker.init`."""
        self.states[name] = self.step.start(frame, box_xywh)

    def update(self, frames: Mapping[str, np.ndarray]) -> dict[str, TrackResult]:
        """Find the targets in the next frames of these sequences; the others stay where they are.

        Args:
            frames: (H, W, 3) uint8 RGB each, by name.

        Returns:
            By name, in the same order.

        Raises:
            RuntimeError: if a sequence was not started.
            ShapeError: if a frame has another shape or type; then no sequence has moved.
            DataError: if the model's box is not finite.
        """
        for name, frame in frames.items():
            if name not in self.states:
                raise RuntimeError(f"sequence '{name}' has no target; call init with it first.")
            try:
                check_frame(frame)
            except ShapeError as error:
                raise ShapeError(f"sequence '{name}': {error}") from None
        states = [self.states[name] for name in frames]
        advanced = self.step.advance(states, list(frames.values()))
        results = {}
        for name, (state, result) in zip(frames, advanced, strict=True):
            self.states[name] = state
            results[name] = result
        return results

    def reset(self, name: str | None = None) -> None:
        """Forget a sequence, or all of them, and give back their memory.

        Raises:
            RuntimeError: if there is no such sequence.
        """
        if name is None:
            self.states.clear()
        elif self.states.pop(name, None) is None:
            raise RuntimeError(f"sequence '{name}' was not started, so it cannot end.")

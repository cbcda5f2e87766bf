"""The video that shows what was tracked."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from mtl.tracking.challenges import NO_CHALLENGES
from mtl.tracking.video.follow import Step
from mtl.tracking.video.writer import VideoWriter


class ShownCondition(NamedTuple):
    """A condition in a caption."""

    name: str
    probability: float
    active: bool
    """Whether it set in."""


class Draw(Protocol):
    """How a frame is drawn."""

    def __call__(
        self,
        image: np.ndarray,
        box_xywh: np.ndarray,
        text: str,
        score: float | None,
        conditions: list[ShownCondition] | None,
        broken: bool,
    ) -> np.ndarray:
        """(H, W, 3) uint8 RGB, H and W even, the same for all frames of a video."""


class CaptionedVideo:
    """Draws every step and appends it to a video file.

    Args:
        path: of the new file.
        rate: frames a second, about.
        draw: how.
        shows_conditions: whether the condition head is asked, so that its line is in all frames.
    """

    def __init__(self, path: Path, rate: float, draw: Draw, shows_conditions: bool) -> None:
        self.writer = VideoWriter(path, rate)
        self._draw = draw
        self._shows_conditions = shows_conditions

    def take(self, step: Step) -> None:
        """Append a step.

        Raises:
            DataError: if the file cannot be written.
        """
        picture = self._draw(
            step.image,
            step.box_xywh,
            f"frame {step.frame}  {step.seconds:.2f} s",
            step.score,
            shown_conditions(step) if self._shows_conditions else None,
            step.problem is not None,
        )
        self.writer.write(picture, step.seconds)

    def close(self) -> None:
        """Finish the file.

        Raises:
            DataError: if the file cannot be written.
        """
        self.writer.close()


def shown_conditions(step: Step) -> list[ShownCondition]:
    """The conditions that set in, and the likeliest one, in the head's order."""
    said = step.conditions or {}
    likely = {name: p for name, p in said.items() if name not in ("severity",)}
    best = max(likely, key=likely.__getitem__) if likely else None
    return [
        ShownCondition(name, probability, name in step.active)
        for name, probability in likely.items()
        if name == best or (name in step.active and name not in NO_CHALLENGES)
    ]

"""What a run over one video comes to."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from mtl.tracking.video.follow import Step

MAX_NAMED = 100
"""Broken frames that are named; the others are counted."""

Ended = Literal["end", "cut_off", "interrupted", "failed"]
"""How a run ended: at the video's end, where the video broke off, by request, or by an error."""


@dataclass
class Summary:
    """Counts and times of a run; takes its steps one by one."""

    source: str
    model: str
    encoder: str | None = None
    """Of the video that was written."""
    frames: int = 0
    """All, with the first and the broken ones."""
    broken: int = 0
    broken_frames: dict[int, str] = field(default_factory=dict)
    """Number and reason, of the first `MAX_NAMED`."""
    events: int = 0
    tracked: int = 0
    """Frames in which the tracker looked for the target."""
    tracker_seconds: float = 0.0
    """That it took for them."""
    seconds: float = 0.0
    """Of everything: reading, tracking, drawing, writing."""
    dropped: int = 0
    """Frames of a live video that came while an earlier one was tracked."""
    ended: Ended = "failed"
    reason: str | None = None
    """Why it ended before its time."""

    def __post_init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def tracking_fps(self) -> float | None:
        """Frames a second in the tracker alone."""
        return self.tracked / self.tracker_seconds if self.tracker_seconds > 0.0 else None

    @property
    def fps(self) -> float | None:
        """Frames a second with everything."""
        return self.frames / self.seconds if self.seconds > 0.0 else None

    def take(self, step: Step) -> None:
        """Count a step."""
        self.frames += 1
        self.events += len(step.events)
        if step.problem is not None:
            self.broken += 1
            if len(self.broken_frames) < MAX_NAMED:
                self.broken_frames[step.frame] = step.problem
        elif step.score is not None:
            self.tracked += 1
            self.tracker_seconds += step.tracker_seconds

    def close(self) -> None:
        """Stop the clock."""
        self.seconds = time.perf_counter() - self._start

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "tracking_fps": self.tracking_fps, "fps": self.fps}

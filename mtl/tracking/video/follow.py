"""A tracker over a video: one step a frame, whatever the frame is like."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from mtl.evaluation.one_pass import OnlineTracker
from mtl.tracking.challenges import ChallengeEvent, ChallengeWatch
from mtl.tracking.video.source import Frame, first_picture


class Step(NamedTuple):
    """What is known of the target in one frame."""

    frame: int
    """Number of the frame, from 1."""
    seconds: float
    """In the video, from its first frame."""
    image: np.ndarray
    """(H, W, 3) uint8 RGB; of a broken frame, the last one before it."""
    box_xywh: np.ndarray
    """(4,) float64 pixels; of a broken frame, the last one before it."""
    score: float | None
    """In (0, 1); none for the first frame, whose box was given, and for broken ones."""
    conditions: dict[str, float] | None
    """What the condition head says, by name; none if it was not asked about the frame."""
    events: tuple[ChallengeEvent, ...]
    """Conditions that set in or have passed."""
    active: frozenset[str]
    """Conditions that set in and have not passed."""
    problem: str | None
    """Why the frame is broken."""
    tracker_seconds: float
    """Spent in the tracker; 0 for a broken frame."""


def follow(
    tracker: OnlineTracker,
    frames: Iterable[Frame],
    box_xywh: np.ndarray,
    watch: ChallengeWatch | None = None,
) -> Iterator[Step]:
    """Start on the first frame and follow to the end.

    A broken frame, or one of another size than the first, keeps the last box and gets no score; the
    tracker does not see it.

    Args:
        tracker: what it followed before is forgotten.
        frames: of one video.
        box_xywh: (4,) pixels of the first frame.
        watch: is told what the tracker's condition head says; none: it is not asked.

    Raises:
        DataError: if the first frame is broken, or the tracker cannot start or go on.
    """
    image: np.ndarray | None = None
    box = np.array(box_xywh, np.float64)
    for frame in frames:
        problem = frame.problem or _other_size(frame.image, image)
        result: Any = None
        start = time.perf_counter()
        if image is None:
            image = first_picture(frame)
            tracker.init(image, box.copy())
        elif not problem and frame.image is not None:
            image = frame.image
            result = tracker.update(image)
            box = np.asarray(result.box_xywh, np.float64)
        spent = 0.0 if problem else time.perf_counter() - start
        conditions = result.conditions if watch is not None and result is not None else None
        events = watch.update(frame.number, conditions) if watch and conditions else []
        yield Step(
            frame=frame.number,
            seconds=frame.seconds,
            image=image,
            box_xywh=box,
            score=float(result.score) if result is not None else None,
            conditions=conditions,
            events=tuple(events),
            active=watch.active if watch is not None else frozenset(),
            problem=problem,
            tracker_seconds=spent,
        )


def _other_size(image: np.ndarray | None, first: np.ndarray | None) -> str | None:
    if image is None or first is None or image.shape == first.shape:
        return None
    return (
        f"it has {image.shape[1]} x {image.shape[0]} pixels, "
        f"but the frames before {first.shape[1]} x {first.shape[0]}"
    )

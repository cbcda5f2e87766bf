"""One-pass evaluation: start a tracker on the first box, follow to the end, score the boxes.

The frames that count are GOT-10k's (Huang et al., TPAMI 2019): all but the first, which was given,
and those in which the target is absent. A frame that does not count enters no number.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from mtl.errors import DataError, ShapeError
from mtl.evaluation.overlap import (
    bounded_iou,
    center_error,
    normalized_center_error,
    outside_picture,
)

SUCCESS_THRESHOLDS = np.linspace(0.0, 1.0, 21)
"""IoU thresholds of the success curve."""
NORM_PRECISION_THRESHOLDS = np.linspace(0.0, 0.5, 51)
"""Thresholds of the normalised precision curve, in sides of the true box."""


class OnlineTracker(Protocol):
    """What one-pass evaluation needs of a tracker."""

    def init(self, frame: np.ndarray, box_xywh: np.ndarray) -> None:
        """Start on the first frame (H, W, 3) uint8 RGB with its box (4,) xywh in pixels."""

    def update(self, frame: np.ndarray) -> Any:
        """Find the target in the next frame; the result has the box as `.box_xywh`."""


class TrackedSequence(NamedTuple):
    """What a tracker said about one sequence of L frames."""

    boxes_xywh: np.ndarray
    """(L, 4) float64, pixels; the first is the box that was given."""
    seconds: np.ndarray
    """(L,) float64, time spent in the tracker; the first is its start."""


@dataclass(frozen=True)
class SequenceScore:
    """Errors of one sequence on the N frames that count, and the time of all that were tracked."""

    name: str
    """Name of the sequence."""
    ious: np.ndarray
    """(N,) overlap after bounding to the picture."""
    center_errors: np.ndarray
    """(N,) pixels."""
    normalized_errors: np.ndarray
    """(N,) sides of the true box."""
    seconds: np.ndarray
    """(L - 1,) seconds of every frame after the first, absent targets included."""
    frames: np.ndarray
    """(N,) int64 places of the frames that count, from 0 for the sequence's first."""
    first_seconds: float
    """Seconds of the first frame, in which the tracker was started."""

    @property
    def num_frames(self) -> int:
        """Frames that count; 0 where the sequence has no score."""
        return len(self.ious)


class Summary(NamedTuple):
    """Scores over sequences."""

    metrics: dict[str, float]
    """By name; a score that nothing was measured for is left out."""
    left_out: tuple[str, ...]
    """Sequences without a frame that counts; they enter no score."""


def track_sequence(
    tracker: OnlineTracker,
    frames: Iterable[np.ndarray],
    init_box_xywh: np.ndarray,
    name: str = "the sequence",
) -> TrackedSequence:
    """Follow one target; only the tracker is timed, not the reading of frames.

    Args:
        tracker: started on the first frame; what it followed before is forgotten.
        frames: (H, W, 3) uint8 RGB each, read one at a time.
        init_box_xywh: (4,) pixels, the target in the first frame.
        name: of the sequence, for messages.

    Raises:
        DataError: if there is no frame, the first box is empty or not finite, or the tracker
            returns a box that is not finite.
        ShapeError: if a frame is not (H, W, 3) uint8 or a box is not (4,).
    """
    init_box = np.asarray(init_box_xywh, np.float64)
    if init_box.shape != (4,):
        raise ShapeError(f"{name}: the first box must be (4,), got {init_box.shape}.")
    if not np.isfinite(init_box).all() or (init_box[2:] <= 0.0).any():
        raise DataError(
            f"{name}: the first box must have finite sides above 0, got {init_box.tolist()}; "
            "correct line 1 of its groundtruth.txt."
        )
    boxes, seconds = [], []
    for number, frame in enumerate(frames, start=1):
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise ShapeError(
                f"{name}: frame {number} must be (H, W, 3) uint8, got {frame.shape} {frame.dtype}."
            )
        start = time.perf_counter()
        if number == 1:
            tracker.init(frame, init_box.copy())
            box = init_box
        else:
            box = np.asarray(tracker.update(frame).box_xywh, np.float64)
        seconds.append(time.perf_counter() - start)
        if box.shape != (4,):
            raise ShapeError(f"{name}: the box of frame {number} must be (4,), got {box.shape}.")
        if not np.isfinite(box).all():
            raise DataError(
                f"{name}: the tracker's box of frame {number} is not finite: {box.tolist()}; "
                "its weights or the frame are broken."
            )
        boxes.append(box)
    if not boxes:
        raise DataError(f"{name} has no frame to track; leave it out of the list.")
    return TrackedSequence(np.stack(boxes), np.array(seconds))


def score_sequence(
    name: str,
    tracked: TrackedSequence,
    truth_xywh: np.ndarray,
    visible: np.ndarray,
    width: int,
    height: int,
) -> SequenceScore:
    """Errors of one tracked sequence on the frames that count.

    A sequence with one frame, or whose target is never seen after the first, gives a score with
    `num_frames` 0, which `summarize` names and leaves out.

    Args:
        name: of the sequence.
        tracked: L frames.
        truth_xywh: (L, 4) pixels; where the target is absent, anything.
        visible: (L,) bool, whether the target is in the frame (GOT-10k: cover above 0).
        width: of the pictures, pixels.
        height: of the pictures, pixels.

    Raises:
        ShapeError: if the numbers of boxes, times, true boxes and visibility flags differ.
        DataError: if a box of a frame that counts is not finite, a true one is empty or outside the
            picture, a time is negative or not finite, or the picture has no size.
    """
    truth, visible = np.asarray(truth_xywh, np.float64), np.asarray(visible)
    boxes = np.asarray(tracked.boxes_xywh, np.float64)
    seconds = np.asarray(tracked.seconds, np.float64)
    _require_same_length(name, boxes, seconds, truth, visible)
    if width <= 0 or height <= 0:
        raise DataError(f"{name}: the picture size must be above 0, got {width}x{height}.")
    counted = np.flatnonzero(visible.astype(bool))
    counted = counted[counted > 0]
    for what, values in (("predicted", boxes), ("true", truth)):
        wrong = ~np.isfinite(values[counted]).all(axis=1)
        if what == "true":
            wrong |= ~(values[counted, 2:] > 0.0).all(axis=1)
        if wrong.any():
            frame = counted[np.argmax(wrong)]
            raise DataError(
                f"{name}: the {what} box of frame {frame + 1} must be finite and not empty, "
                f"got {values[frame].tolist()}; correct it or mark the frame as absent."
            )
    require_in_picture(name, truth, visible, width, height)
    wrong_times = ~(np.isfinite(seconds) & (seconds >= 0.0))
    if wrong_times.any():
        frame = int(np.argmax(wrong_times))
        raise DataError(
            f"{name}: the time of frame {frame + 1} must be seconds of at least 0, "
            f"got {seconds[frame]}; track the sequence again."
        )
    predicted, true = boxes[counted], truth[counted]
    return SequenceScore(
        name=name,
        ious=bounded_iou(predicted, true, width, height),
        center_errors=center_error(predicted, true),
        normalized_errors=normalized_center_error(predicted, true),
        seconds=seconds[1:],
        frames=counted,
        first_seconds=float(seconds[0]) if len(seconds) else 0.0,
    )


def require_in_picture(
    name: str, truth_xywh: np.ndarray, visible: np.ndarray, width: int, height: int
) -> None:
    """Refuse a target that is said to be visible and lies outside the picture.

    Counted, such a frame would be a miss of every tracker.

    Args:
        name: of the sequence.
        truth_xywh: (L, 4) pixels.
        visible: (L,) bool, whether the target is in the frame.
        width: of the pictures, pixels.
        height: of the pictures, pixels.

    Raises:
        DataError: names the first such frame and says how many there are.
    """
    boxes = np.asarray(truth_xywh, np.float64)
    wrong = np.flatnonzero(np.asarray(visible, bool) & outside_picture(boxes, width, height))
    if len(wrong):
        frame = int(wrong[0])
        more = f" ({len(wrong)} such frames)" if len(wrong) > 1 else ""
        raise DataError(
            f"{name}: the true box of frame {frame + 1} must touch its picture of "
            f"{width}x{height} pixels, got {boxes[frame].tolist()}{more}; correct it or mark the "
            "frame as absent."
        )


def sequence_metrics(score: SequenceScore) -> dict[str, float]:
    """Scores of one sequence: the names and meanings of `summarize`; empty if no frame counts."""
    if not score.num_frames:
        return {}
    success = score.ious[:, None] > SUCCESS_THRESHOLDS
    near = score.normalized_errors[:, None] <= NORM_PRECISION_THRESHOLDS
    return {
        **_got10k(score.ious),
        "success_auc": float(success.mean()),
        "precision_20": float((score.center_errors <= 20.0).mean()),
        "norm_precision": float(near.mean()),
        **_speed([score]),
    }


def summarize(scores: Sequence[SequenceScore]) -> Summary:
    """Scores over sequences, each averaged as the benchmark it comes from does.

    - `ao`, `sr_50`, `sr_75` (GOT-10k): mean IoU, and share of frames with IoU > 0.5 and > 0.75,
      over the frames of all sequences together, so a long sequence weighs more.
    - `success_auc` (OTB, LaSOT): mean over 21 thresholds t in [0, 1] of the share of frames with
      IoU > t; a perfect tracker has 20/21. `precision_20`: share of frames with a centre error of
      at most 20 pixels. `norm_precision` (TrackingNet, LaSOT): mean over 51 thresholds in [0, 0.5]
      of the share of frames with a normalised centre error of at most t. Mean over sequences, so
      every sequence weighs the same.
    - `fps`: frames over seconds, without each sequence's first frame.
    - `speed_got10k` (GOT-10k toolkit): mean of 1 / seconds over the frames that took any time, each
      sequence's first and those without the target included. A few fast frames raise it.
    - `sequences`, `sequences_left_out`: how many entered the scores, and how many could not.

    Raises:
        DataError: if a sequence stands twice.
    """
    for name, count in Counter(score.name for score in scores).items():
        if count > 1:
            raise DataError(f"{name} is scored {count} times; score it once.")
    used = [score for score in scores if score.num_frames]
    left_out = tuple(score.name for score in scores if not score.num_frames)
    metrics: dict[str, float] = {}
    if used:
        each = [sequence_metrics(score) for score in used]
        metrics.update(_got10k(np.concatenate([score.ious for score in used])))
        for key in ("success_auc", "precision_20", "norm_precision"):
            metrics[key] = float(np.mean([one[key] for one in each]))
        metrics.update(_speed(used))
    metrics["sequences"] = len(used)
    metrics["sequences_left_out"] = len(left_out)
    return Summary(metrics, left_out)


def _got10k(ious: np.ndarray) -> dict[str, float]:
    return {
        "ao": float(ious.mean()),
        "sr_50": float((ious > 0.5).mean()),
        "sr_75": float((ious > 0.75).mean()),
    }


def _speed(scores: Sequence[SequenceScore]) -> dict[str, float]:
    following = np.concatenate([score.seconds for score in scores])
    every = np.concatenate([following, [score.first_seconds for score in scores]])
    taken, total = every[every > 0.0], float(following.sum())
    metrics = {"fps": len(following) / total} if total > 0.0 else {}
    return metrics | ({"speed_got10k": float((1.0 / taken).mean())} if len(taken) else {})


def _require_same_length(
    name: str, boxes: np.ndarray, seconds: np.ndarray, truth: np.ndarray, visible: np.ndarray
) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 4 or truth.ndim != 2 or truth.shape[1] != 4:
        raise ShapeError(
            f"{name}: predicted and true boxes must be (L, 4), got {boxes.shape} and {truth.shape}."
        )
    lengths = {
        "predicted boxes": len(boxes),
        "times": seconds.size if seconds.ndim == 1 else -1,
        "true boxes": len(truth),
        "visibility flags": visible.size if visible.ndim == 1 else -1,
    }
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{count} {what}" for what, count in lengths.items())
        raise ShapeError(
            f"{name}: every frame needs one box, time, true box and flag, got {listed}; "
            "track the sequence again with the frames its groundtruth.txt describes."
        )

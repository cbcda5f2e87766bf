"""One tracker over one sequence: follow it, keep what it said in files, score the files.

Scores are always those of the files, so they are the same whether a sequence was tracked now, by
another process, or in an evaluation that was interrupted last week.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mtl.config.schema import DataConfig
from mtl.data.frame_index import Sequence
from mtl.data.images import read_image
from mtl.errors import DataError, ShapeError
from mtl.evaluation.condition_results import (
    PredictedConditions,
    read_conditions,
    write_conditions,
)
from mtl.evaluation.got10k_files import read_result, sequence_folder, write_result
from mtl.evaluation.one_pass import (
    OnlineTracker,
    SequenceScore,
    TrackedSequence,
    require_in_picture,
    score_sequence,
    track_sequence,
)


class Followed(NamedTuple):
    """What a tracker said about a sequence."""

    tracked: TrackedSequence
    conditions: PredictedConditions | None
    """None where the condition head was not asked."""


def follow(
    tracker: OnlineTracker,
    sequence: Sequence,
    max_pixels: int,
    output_names: tuple[str, ...] | None = None,
) -> Followed:
    """Start a tracker on the first box of a sequence and follow to the end.

    Args:
        tracker: what it followed before is forgotten.
        sequence: L frames.
        max_pixels: largest picture that is decoded.
        output_names: what the tracker's condition head answers; none: it is not asked.

    Raises:
        DataError: if the target is not visible in the first frame or outside one that it is said to
            be visible in, a picture is broken, or the tracker's boxes are; names sequence or file.
    """
    if not sequence.visible[0]:
        raise DataError(
            f"sequence {sequence.name}: its target is not visible in the first frame, so there is "
            "no box to start from; leave it out of the list."
        )
    first = read_image(sequence.frame_uris[0], max_pixels)
    height, width = first.shape[:2]
    require_in_picture(sequence.name, sequence.boxes_xywh, sequence.visible, width, height)
    frames = chain([first], (read_image(uri, max_pixels) for uri in sequence.frame_uris[1:]))
    recorder = _Recorder(tracker, output_names or ())
    tracked = track_sequence(recorder, frames, sequence.boxes_xywh[0], sequence.name)
    if output_names is None:
        return Followed(tracked, None)
    values = np.array([np.full(len(output_names), np.nan), *recorder.answers])
    return Followed(tracked, PredictedConditions(output_names, values))


class _Recorder:
    """A tracker that also keeps what its condition head answered."""

    def __init__(self, tracker: OnlineTracker, names: tuple[str, ...]) -> None:
        self.answers: list[list[float]] = []
        self._tracker = tracker
        self._names = names

    def init(self, frame: np.ndarray, box_xywh: np.ndarray) -> None:
        self._tracker.init(frame, box_xywh)

    def update(self, frame: np.ndarray) -> Any:
        result = self._tracker.update(frame)
        if self._names:
            self.answers.append([result.conditions[name] for name in self._names])
        return result


def keep(results: Path, tracker_name: str, sequence_name: str, followed: Followed) -> None:
    """Write a sequence's files; the box file comes last, so where it exists all exist.

    Raises:
        DataError: if a value is not finite, or a name would lead out of its folder.
    """
    if followed.conditions is not None:
        write_conditions(results, tracker_name, sequence_name, followed.conditions)
    write_result(results, tracker_name, sequence_name, followed.tracked)


def kept(
    results: Path,
    tracker_name: str,
    sequence: Sequence,
    output_names: tuple[str, ...] | None = None,
) -> Followed | None:
    """What the files of a sequence say; none if there are none.

    Raises:
        DataError: if a file is broken, cut off, or begins with another box than the sequence.
        ShapeError: if a file has another number of lines than the sequence has frames.
    """
    folder = sequence_folder(results, tracker_name, sequence.name)
    box_file = folder / f"{sequence.name}_001.txt"
    if not box_file.exists():
        return None
    tracked = read_result(results, tracker_name, sequence.name)
    conditions = None
    if output_names is not None:
        conditions = read_conditions(results, tracker_name, sequence.name, output_names)
    counts = {str(box_file): len(tracked.boxes_xywh)}
    if conditions is not None:
        counts[f"{sequence.name}_conditions.csv"] = len(conditions.values)
    for file, count in counts.items():
        if count != len(sequence.frame_uris):
            raise ShapeError(
                f"{file} has {count} lines for {len(sequence.frame_uris)} frames; "
                "track the sequence again."
            )
    if not box_file.read_bytes().endswith(b"\n"):
        raise DataError(f"{box_file} is cut off in its last line; track the sequence again.")
    if np.abs(tracked.boxes_xywh[0] - sequence.boxes_xywh[0]).max() > 1e-3:
        raise DataError(
            f"{box_file}, line 1: the tracker started on another box than the sequence's first, "
            f"{sequence.boxes_xywh[0].tolist()}; track the sequence again."
        )
    return Followed(tracked, conditions)


def score(followed: Followed, sequence: Sequence, max_pixels: int) -> SequenceScore:
    """Errors of a sequence on the frames that count.

    Raises:
        DataError: if its first picture, which tells the size, cannot be read, or a true box lies
            outside of it.
    """
    height, width = read_image(sequence.frame_uris[0], max_pixels).shape[:2]
    return score_sequence(
        sequence.name, followed.tracked, sequence.boxes_xywh, sequence.visible, width, height
    )


def track_share(
    tracker: OnlineTracker,
    sequences: Iterable[Sequence],
    data: DataConfig,
    results: Path,
    tracker_name: str,
) -> Iterator[SequenceScore]:
    """Track some sequences, keep their files, and score them.

    A sequence that cannot be tracked (a broken picture, no target in its first frame) stops the
    evaluation or, with `data.on_error=skip`, gives a score without frames, which is left out and
    counted.

    Raises:
        DataError: names the sequence or file.
    """
    for sequence in sequences:
        try:
            keep(results, tracker_name, sequence.name, follow(tracker, sequence, data.max_pixels))
            files = kept(results, tracker_name, sequence)
            assert files is not None
            yield score(files, sequence, data.max_pixels)
        except DataError:
            if data.on_error == "stop":
                raise
            yield nothing_to_score(sequence.name)


def nothing_to_score(name: str) -> SequenceScore:
    """The score of a sequence without a frame that counts."""
    empty = np.empty(0)
    return SequenceScore(
        name=name,
        ious=empty,
        center_errors=empty,
        normalized_errors=empty,
        seconds=empty,
        frames=np.empty(0, np.int64),
        first_seconds=0.0,
    )

"""A tracker over the sequences of a split, cut into shares that several processes can take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from mtl.config.schema import DataConfig, TrackerConfig
from mtl.data.images import read_image
from mtl.data.index import FrameIndex, Sequence
from mtl.errors import DataError
from mtl.evaluation.got10k_files import write_result
from mtl.evaluation.one_pass import SequenceScore, score_sequence, track_sequence
from mtl.models.tracker import OnlineModel
from mtl.tracking.tracker import Tracker


def track_share(
    model: OnlineModel,
    config: TrackerConfig,
    data: DataConfig,
    index: FrameIndex,
    results: Path,
    tracker_name: str,
    device: torch.device,
    share: range,
) -> Iterator[SequenceScore]:
    """Track the sequences with these numbers, write their result files, and score them.

    A sequence that cannot be tracked (a broken picture, no target in its first frame) stops the
    evaluation or, with `data.on_error=skip`, gives a score without frames, which is left out and
    counted.

    Raises:
        DataError: names the sequence or file.
    """
    tracker = Tracker(model, config, device)
    for number in share:
        sequence = index.sequence(number)
        try:
            yield _track(tracker, sequence, data, results, tracker_name)
        except DataError:
            if data.on_error == "stop":
                raise
            empty = np.empty(0)
            yield SequenceScore(sequence.name, empty, empty, empty, empty)


def _track(
    tracker: Tracker, sequence: Sequence, data: DataConfig, results: Path, tracker_name: str
) -> SequenceScore:
    if not sequence.visible[0]:
        raise DataError(
            f"sequence {sequence.name}: its target is not visible in the first frame, so there is "
            "no box to start from; leave it out of the list."
        )
    size: list[int] = []

    def frames() -> Iterator[np.ndarray]:
        for uri in sequence.frame_uris:
            frame = read_image(uri, data.max_pixels)
            size[:] = frame.shape[:2]
            yield frame

    tracked = track_sequence(tracker, frames(), sequence.boxes_xywh[0], sequence.name)
    written = write_result(results, tracker_name, sequence.name, tracked)
    return score_sequence(
        sequence.name, written, sequence.boxes_xywh, sequence.visible, size[1], size[0]
    )

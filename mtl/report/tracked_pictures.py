"""Frames of the sequences a run tracked, for its report."""

from __future__ import annotations

from pathlib import Path

from mtl.config.schema import DataConfig
from mtl.data.frame_index import FrameIndex
from mtl.data.images import read_image
from mtl.evaluation.got10k_files import find_results, read_result
from mtl.report.frames import Picture, draw_tracked

SEQUENCES = 6
"""Sequences shown, spread evenly over those tracked."""
MOMENTS = (0.5, 1.0)
"""Frames shown of each, as shares of its length."""


def tracked_pictures(data: DataConfig, index: FrameIndex, run_folder: Path) -> list[Picture]:
    """Frames with the tracked and the true box, for a few sequences of the index."""
    results = run_folder / "results"
    tracked = {sequence: tracker for tracker, sequence in find_results(results)}
    numbers = [i for i, name in enumerate(index.sequence_names) if name in tracked]
    chosen = numbers[:: max(1, -(-len(numbers) // SEQUENCES))]
    pictures = []
    for number in chosen:
        sequence = index.sequence(number)
        boxes = read_result(results, tracked[sequence.name], sequence.name).boxes_xywh
        for share in MOMENTS:
            frame = min(round(share * len(boxes)), len(boxes)) - 1
            truth = sequence.boxes_xywh[frame] if sequence.visible[frame] else None
            picture = draw_tracked(
                read_image(sequence.frame_uris[frame], data.max_pixels),
                boxes[frame],
                truth,
                f"frame {frame + 1} of {len(boxes)}",
            )
            pictures.append(Picture(f"{sequence.name}, frame {frame + 1}", picture))
    return pictures

"""Sequences tracked together against one by one: `python tests/benchmarks/batch_tracking.py`.

`TrackerBatch` takes a frame of each of n sequences; beside it n `Tracker`s take the same frames in
turn. Both have left the first frames behind, in which HIPTrack reads its template. Prints seconds
per frame and sequence, and the ratio of the two in the same round; weights are noise.

Measured on one busy AMD EPYC thread with four sequences: `hiptrack_small` takes 0.68 times as long
together (0.59 to 0.78 in three rounds), `simtrack_small` 0.82 (0.81 to 0.87).
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mtl.comparison.timing import take_turns
from mtl.config.load import load
from mtl.models.build import build_model
from mtl.tracking import Tracker, TrackerBatch

BOX = [300.0, 200.0, 60.0, 30.0]
WARM_UP = 12
"""Frames; after ten of them HIPTrack reads its memory, which then has two entries."""


def works(preset: str, count: int, device: torch.device) -> dict[str, Callable[[], Any]]:
    """One moment of `count` sequences, either way."""
    torch.manual_seed(0)
    config = load(preset)
    model: Any = build_model(config).to(device)
    random = np.random.default_rng(0)
    frames = [random.integers(0, 256, (480, 640, 3), dtype=np.uint8) for _ in range(count)]
    batch = TrackerBatch(model, config.model, device)
    trackers = [Tracker(model, config.model, device) for _ in range(count)]
    for number, (tracker, frame) in enumerate(zip(trackers, frames, strict=True)):
        batch.init(str(number), frame, BOX)
        tracker.init(frame, BOX)
    named = {str(number): frame for number, frame in enumerate(frames)}

    def one_by_one() -> None:
        for tracker, frame in zip(trackers, frames, strict=True):
            tracker.update(frame)

    def together() -> None:
        batch.update(named)

    for _, work in itertools.product(range(WARM_UP), (one_by_one, together)):
        work()
    return {"one by one": one_by_one, "together": together}


def main() -> None:
    """Print a line for each number of sequences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="hiptrack_small")
    parser.add_argument("--sequences", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(options.device)
    for count in options.sequences:
        pair: Any = works(options.preset, count, device)
        times = take_turns(pair, options.rounds, options.calls, device)
        alone, together = times["one by one"], times["together"]
        low, middle, high = together.ratios
        print(
            f"{options.preset}, {count} sequences on {device}: {alone.seconds / count:.4f} s one "
            f"by one, {together.seconds / count:.4f} s together, "
            f"ratio {middle:.2f} ({low:.2f} to {high:.2f})",
            flush=True,
        )


if __name__ == "__main__":
    main()

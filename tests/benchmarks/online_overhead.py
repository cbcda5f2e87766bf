"""What tracking costs besides the network: `python tests/benchmarks/online_overhead.py`.

First what a small model holds over 3000 frames: it remembers every fifth frame, so its 150 entries
are full at frame 750. Then the share of a tracked frame that is spent outside the model's step
(cutting, normalising, reading the box, putting it back), at the published size of HIPTrack with
weights of noise on one thread of the CPU, for a small and a large target in frames of 1920x1080.

Measured on an AMD EPYC: from frame 750 to 3000 tensors stay at 0.736 MiB and the process at 606.0
MiB; 0.14 % of a frame is spent outside the network for the small target and 0.33 % for the large.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mtl.config.load import load
from mtl.models.build import build_model
from mtl.tracking import Tracker

CPU = torch.device("cpu")
TARGETS = {"64x32": [900.0, 500.0, 64.0, 32.0], "800x400": [500.0, 300.0, 800.0, 400.0]}
SMALL = (
    "model.template={size: 32, factor: 2}", "model.search={size: 64, factor: 4}",
    "model.backbone.width=32",
    "model.backbone.depth=2", "model.backbone.num_heads=2", "model.backbone.elimination_blocks=[1]",
    "model.box_head.channels=16", "model.prompt.key_width=8", "model.prompt.encoder_width=4",
    "model.memory.update_interval=5", "head.hidden_width=8",
)  # fmt: skip


class Clock:
    """A model that notes how long its steps take."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.seconds: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def track(self, *args: Any, **named: Any) -> Any:
        """One step."""
        start = time.perf_counter()
        found = self.model.track(*args, **named)
        self.seconds.append(time.perf_counter() - start)
        return found


def outside_shares(preset: str, box_xywh: list[float], num_frames: int) -> list[float]:
    """Of each frame after a first one that warms up."""
    torch.manual_seed(0)
    config = load(preset)
    clock = Clock(build_model(config))
    tracker = Tracker(clock, config.model, CPU)
    random = np.random.default_rng(0)
    frames = [random.integers(0, 256, (1080, 1920, 3), dtype=np.uint8) for _ in range(2)]
    tracker.init(frames[0], box_xywh)
    shares = []
    for number in range(num_frames + 1):
        assert tracker.state is not None
        # The target stays as large as it was; weights of noise would let it collapse.
        tracker.state.box_xywh[:] = box_xywh
        start = time.perf_counter()
        tracker.update(frames[number % 2])
        taken = time.perf_counter() - start
        shares.append(1.0 - clock.seconds[-1] / taken)
    return shares[1:]


def held(num_frames: int, every: int) -> None:
    """Print what the small model's sequence and the process hold as frames pass."""
    torch.manual_seed(0)
    config = load("hiptrack", SMALL)
    tracker = Tracker(build_model(config), config.model, CPU)  # type: ignore[arg-type]
    random = np.random.default_rng(0)
    frames = [random.integers(0, 256, (120, 160, 3), dtype=np.uint8) for _ in range(5)]
    tracker.init(frames[0], [60.0, 40.0, 30.0, 20.0])
    for number in range(1, num_frames + 1):
        tracker.update(frames[number % len(frames)])
        if number % every == 0:
            assert tracker.state is not None
            count, size = live_tensors()
            print(
                f"frame {number}: {len(tracker.state.memory)} entries, {count} tensors of "
                f"{size / 2**20:.3f} MiB, process {resident_bytes() / 2**20:.1f} MiB",
                flush=True,
            )


def live_tensors() -> tuple[int, int]:
    """How many tensors Python knows of, and the bytes of their storage."""
    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of deprecated objects that are only looked at
        found = [thing for thing in gc.get_objects() if isinstance(thing, torch.Tensor)]
    storages = {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in found}
    return len(found), sum(storages.values())


def resident_bytes() -> int:
    """Of this process (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def main() -> None:
    """Print what is held, then the shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="hiptrack")
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--memory-frames", type=int, default=3000)
    parser.add_argument("--every", type=int, default=250)
    options = parser.parse_args()
    torch.set_num_threads(1)
    held(options.memory_frames, options.every)
    for name, box_xywh in TARGETS.items():
        shares = outside_shares(options.preset, box_xywh, options.frames)
        print(
            f"{options.preset}, target {name}: {statistics.median(shares):.2%} of a frame outside "
            f"the network ({min(shares):.2%} to {max(shares):.2%} of {len(shares)} frames)",
            flush=True,
        )


if __name__ == "__main__":
    main()

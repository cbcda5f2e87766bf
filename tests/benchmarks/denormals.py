"""What denormal numbers cost a joint step: `python tests/benchmarks/denormals.py RUN ...`.

Steps of a trained unified model on noise, in turns with numbers below 1.2e-38 computed with and
taken for zero, on one thread in one process; the median of the ratios of a round is told. The
weights must be trained ones: it is their attention that leaves such numbers.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mtl.config.load import load
from mtl.config.unified_run import UnifiedRunConfig
from tests.benchmarks.joint_step import seconds, step_of


def main() -> None:
    """Print both medians and how much of the time is left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a finished unified run")
    parser.add_argument("keys", nargs="*", metavar="key=value")
    parser.add_argument("--size", type=int, default=256, help="side of all images in pixels")
    parser.add_argument("--batch", type=int, default=2, help="images of each task")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    words = [f"model.init={options.run}", "loss.distillation.weight=0", *options.keys]
    config = load(str(options.run / "config.yaml"), words)
    assert isinstance(config, UnifiedRunConfig)
    step = step_of(config, options.size, options.batch)
    step()  # warms up
    times: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(options.rounds):
        for zero, mine in times.items():
            torch.set_flush_denormal(zero)
            mine.append(seconds(step))
    shares = [zero / kept for kept, zero in zip(*times.values(), strict=True)]
    for zero, mine in times.items():
        name = "taken for zero" if zero else "computed with"
        print(f"{name}: {statistics.median(mine):.3f} s of CPU a step")
    told = f"{statistics.median(shares):.2f} ({min(shares):.2f} to {max(shares):.2f})"
    print(f"share of the time: {told}")


if __name__ == "__main__":
    main()

"""Clips from prefetch threads against clips from Ray tasks: `python tests/benchmarks/ingest.py`.

Streams the demo's training batches through both paths of `cluster.ingest`, in turn, in one
process on a local cluster, without training on them. Prints samples a second and the ratio.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cluster.settings  # noqa: F401 - before Ray

# isort: split
import ray
import torch

from cluster.ingest import RayBatches
from mtl.config.load import load
from mtl.families import family_of


def samples_per_second(decode_in_tasks: bool, num_steps: int) -> float:
    """Speed of one pass over `num_steps` batches, from the first batch to the last."""
    config = load("demo", [f"cluster.decode_in_tasks={str(decode_in_tasks).lower()}"])
    family = family_of(config)
    batches = RayBatches(config, family, family.indices(), torch.device("cpu"), print)
    stream = batches.training(0, num_steps + 1)
    next(stream)
    start = time.perf_counter()
    seen = sum(len(batch["sample"]) for batch in stream)
    return seen / (time.perf_counter() - start)


def main() -> None:
    """Print both speeds, twice in turn, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    ray.init(address="local", num_cpus=4, log_to_driver=False, logging_level="ERROR")
    try:
        for _ in range(options.rounds):
            threads = samples_per_second(False, options.steps)
            tasks = samples_per_second(True, options.steps)
            print(
                f"prefetch threads {threads:.0f}, tasks {tasks:.0f} samples/s, "
                f"ratio {threads / tasks:.2f}",
                flush=True,
            )
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main()

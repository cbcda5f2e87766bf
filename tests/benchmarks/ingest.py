"""Clips from prefetch threads against clips from Ray tasks: `python tests/benchmarks/ingest.py`.

Streams a run's training batches (the demo's, or those of a preset and key=value words) through both
paths of `cluster.ingest`, in turn, in one process on a local cluster, without training on them.
Prints samples a second and their ratio, and what a sample costs a processor core: made by hand, as
`cluster.scaling` counts it, and with all processes of the cluster beside it on either path.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cluster.settings  # noqa: F401 - before Ray

# isort: split
import psutil
import ray
import torch

from cluster.ingest import RayBatches
from mtl.config.load import load
from mtl.config.schema import RunConfig
from mtl.families import Family, Indices, family_of


def of_words(words: Sequence[str]) -> tuple[RunConfig, Family, Indices]:
    """A run and its data."""
    config = load(words[0], words[1:])
    family = family_of(config)
    return config, family, family.indices()


def by_hand(words: Sequence[str], samples: int) -> float:
    """Seconds of a core for a sample, without Ray."""
    _, family, indices = of_words(words)
    sampler = family.sampler(indices.train, training=True)
    sampler.sample(0)
    start = time.process_time()
    for number in range(1, samples + 1):
        sampler.sample(number)
    return (time.process_time() - start) / samples


def streamed(words: Sequence[str], decode_in_tasks: bool, num_steps: int) -> tuple[float, float]:
    """Samples a second and seconds of a core for one, from the first batch to the last."""
    config, family, indices = of_words(
        [*words, f"cluster.decode_in_tasks={str(decode_in_tasks).lower()}"]
    )
    batches = RayBatches(config, family, indices, torch.device("cpu"), print)
    stream = batches.training(0, num_steps + 1)
    next(stream)
    start, start_cores = time.perf_counter(), core_seconds()
    seen = sum(len(batch["sample"]) for batch in stream)
    return seen / (time.perf_counter() - start), (core_seconds() - start_cores) / seen


def core_seconds() -> float:
    """Time of processor cores that this process and all that it started have taken."""
    total = 0.0
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def main() -> None:
    """Print both speeds, as often as asked in turn, and what a sample costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", default=["demo"], metavar="PRESET or key=value")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    ray.init(address="local", num_cpus=4, log_to_driver=False, logging_level="ERROR")
    try:
        for _ in range(options.rounds):
            alone = by_hand(options.words, 32)
            threads, threads_s = streamed(options.words, False, options.steps)
            tasks, tasks_s = streamed(options.words, True, options.steps)
            print(
                f"prefetch threads {threads:.0f}, tasks {tasks:.0f} samples/s, "
                f"ratio {threads / tasks:.2f}; ms of a core for a sample: by hand "
                f"{1000 * alone:.1f}, threads {1000 * threads_s:.1f}, tasks {1000 * tasks_s:.1f}",
                flush=True,
            )
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main()

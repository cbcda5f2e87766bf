"""What one GPU sustains: `python tests/benchmarks/gpu_speed.py PRESET ... --sizes 16 32`.

Trains each preset's last stage for a few steps in the real loop, at several batch sizes and
precisions, on one batch that lies in memory and is brought to the GPU in each step: so nothing but
the step is measured. Prints Markdown: samples a second over the second half of the steps, the
operations of a sample's forward and backward pass (products and convolutions, attention as its two
products), their rate, and the memory.
Presets need no data of their own (embedded data is used); `--keys` change all of them.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mtl.config.load import load
from mtl.config.schema import RunConfig
from mtl.config.unified_run import UnifiedRunConfig
from mtl.data.collate import collate
from mtl.families import family_of
from mtl.tasks.task import Batch, Task
from mtl.training.loop import train
from mtl.training.run import Run
from mtl.training.state import TrainingState
from tests.benchmarks.joint_step import NoiseTask, noise
from tests.benchmarks.step_flops import step_flops

COUNTED = 2
"""Samples whose operations are counted."""


class Repeated:
    """The same batch again and again, from the CPU's memory."""

    def __init__(self, batch: Batch, device: torch.device) -> None:
        self._batch = (
            {n: x.pin_memory() for n, x in batch.items()} if device.type == "cuda" else batch
        )
        self._device = device

    def training(self, first_step: int, last_step: int) -> Iterator[Batch]:
        """See `mtl.training.run.Batches`."""
        for _ in range(first_step, last_step):
            yield {n: x.to(self._device, non_blocking=True) for n, x in self._batch.items()}

    def validation(self) -> Iterator[Batch]:
        """None."""
        return iter(())


class Speed:
    """Remembers the last progress."""

    news: dict[str, Any]

    def progress(self, news: dict[str, Any]) -> None:
        """See `mtl.training.run.Reporter`."""
        self.news = news

    def checkpoint(self, state: TrainingState, improved: bool) -> None:
        """Keeps nothing."""


def work(config: RunConfig, size: int, device: torch.device) -> tuple[Task, Batch]:
    """The task of a preset and a batch for it."""
    if isinstance(config, UnifiedRunConfig):
        return NoiseTask(config, device), noise(config, config.data.sizes.det, size)
    family = family_of(config)
    indices = family.indices()
    sampler = family.sampler(indices.train, training=True)
    rows = collate([sampler.sample(number) for number in range(size)])
    return family.task(indices, device), {n: torch.from_numpy(x) for n, x in rows.items()}


def row(preset: str, keys: list[str], size: int, precision: str, steps: int, device: str) -> str:
    """A line of the table."""
    words = [
        *keys, f"training.batch_size={size}", "training.accumulate=1", "training.val_samples=0",
        f"training.samples_per_epoch={size * steps}", f"training.log_every={steps // 2}",
        f"training.precision={precision}", "evaluation.splits=[]",
    ]  # fmt: skip
    config = load(preset, words)
    stage = list(config.running_stages)[-1]
    epochs = {
        name: one.model_copy(update={"epochs": int(name == stage)})
        for name, one in config.stages.items()
    }
    config = config.model_copy(update={"stages": epochs})
    where = torch.device(device)
    task, batch = work(config, size, where)
    model = task.build_model().to(where)
    speed = Speed()
    if where.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    train(Run(config, task, model, where, Repeated(batch, where), speed), TrainingState())
    rate, memory = speed.news["samples_per_second"], speed.news.get("gpu_memory_bytes", 0)
    few = {name: x[:COUNTED].to(where) for name, x in batch.items()}
    flops = step_flops(task, model, few) / COUNTED
    cells = (
        preset,
        f"{size}",
        precision,
        f"{rate:.1f}",
        f"{flops / 1e9:.0f}",
        f"{rate * flops / 1e12:.1f}",
        f"{memory / 2**30:.1f}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("presets", nargs="+")
    parser.add_argument("--sizes", type=int, nargs="+", default=[32], help="of the batch")
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--keys", nargs="*", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    print("| preset | batch | precision | samples/s | GFLOP a sample | TFLOP/s | GiB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for preset in options.presets:
        for size in options.sizes:
            for precision in options.precisions:
                try:
                    line = row(preset, options.keys, size, precision, options.steps, options.device)
                except torch.OutOfMemoryError:
                    line = f"| {preset} | {size} | {precision} | out of memory | | | |"
                gc.collect()
                torch.cuda.empty_cache()
                print(line, flush=True)


if __name__ == "__main__":
    main()

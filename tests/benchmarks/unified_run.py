"""The unified table's runs without Ray: `python tests/benchmarks/unified_run.py PRESET ...`.

On one machine, trains what `cluster/train.py` would of the same words, teachers first: the
same task, loop, samples and run folder, of which `unified_table.py` makes the table. Samples come
from processes of torch's DataLoader. Nothing is kept to go on from. Words are PRESET key=value ...;
teachers that are finished in the run's folder are not trained again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mtl.config.load import load
from mtl.config.schema import RunConfig
from mtl.cpu import set_up_cpu
from mtl.data.collate import collate
from mtl.families import Indices, family_of
from mtl.tasks.task import Batch
from mtl.training.loop import train
from mtl.training.numbers import training_numbers, validation_numbers
from mtl.training.run import Run
from mtl.training.run_folder import RunFolder, RunWriter
from mtl.training.seeding import seed_weights
from mtl.training.state import TrainingState


class Samples(torch.utils.data.Dataset[dict[str, np.ndarray]]):
    """Samples by number."""

    def __init__(self, sampler: Any) -> None:
        self._sampler = sampler

    def __getitem__(self, number: int) -> dict[str, np.ndarray]:
        return self._sampler.sample(number)


def tensors(samples: list[dict[str, np.ndarray]]) -> Batch:
    """A batch."""
    return {name: torch.from_numpy(array) for name, array in collate(samples).items()}


class Rows(torch.utils.data.Sampler[list[int]]):
    """Numbers of the batches that are wanted next."""

    rows: list[list[int]]

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


class LoadedBatches:
    """`mtl.training.run.Batches` from processes that stay beside this one."""

    def __init__(
        self, config: RunConfig, indices: Indices, device: torch.device, processes: int
    ) -> None:
        family = family_of(config)
        self._config, self._device, self._rows = config.training, device, (Rows(), Rows())
        self._val_samples = family.val_samples(indices.val)
        splits = ((indices.train, True), (indices.val, False))
        self._loaders = [
            DataLoader(
                Samples(family.sampler(index, training=training)),
                batch_sampler=rows,
                num_workers=processes,
                persistent_workers=True,
                collate_fn=tensors,
                worker_init_fn=lambda _: cv2.setNumThreads(1),
                pin_memory=device.type == "cuda",
            )
            for (index, training), rows in zip(splits, self._rows, strict=True)
        ]

    def training(self, first_step: int, last_step: int) -> Iterator[Batch]:
        """See `mtl.training.run.Batches`."""
        config = self._config
        size, parts = config.batch_size, config.accumulate
        return self._load(0, training_numbers(first_step, last_step, size, parts, 0, 1))

    def validation(self) -> Iterator[Batch]:
        """See `mtl.training.run.Batches`."""
        return self._load(1, validation_numbers(self._val_samples, self._config.batch_size, 0, 1))

    def _load(self, which: int, numbers: Iterable[np.ndarray]) -> Iterator[Batch]:
        self._rows[which].rows = [row.tolist() for row in numbers]
        for batch in self._loaders[which]:
            yield {name: x.to(self._device, non_blocking=True) for name, x in batch.items()}


class Told:
    """`mtl.training.run.Reporter`: curves, metrics and the best weights into the run folder."""

    def __init__(self, config: RunConfig, writer: RunWriter) -> None:
        self._config, self._writer, self._told = config, writer, 0

    def progress(self, news: dict[str, Any]) -> None:
        """See `Reporter`."""
        self._writer.scalars("train", news["step"], news["losses"] | news)
        self.speed = f"{news['samples_per_second']:.0f} samples/s"
        self.speed += f", {news['data_wait_share']:.0%} of it waiting"

    def checkpoint(self, state: TrainingState, improved: bool) -> None:
        """See `Reporter`."""
        lines, self._told = state.history[self._told :], len(state.history)
        if improved:
            metrics = {k: v for x in lines for k, v in x.items() if isinstance(v, (int, float))}
            self._writer.best_model(state.model, {"step": state.step} | metrics)
        self._writer.lines(state.history)
        for line in lines:
            names = ("loss/total", "map", "map_50", "miou", "top1", "score")
            said = " ".join(f"{n} {line[n]:.4f}" for n in names if n in line)
            place = f"epoch {line['epoch']} {line['split']} {line['seconds']:.0f} s"
            best = " best" if improved and line["split"] == "val" else ""
            print(f"{self._config.name}: {place}: {said}{best}; {self.speed}", flush=True)


def run(config: RunConfig, device: torch.device, processes: int) -> None:
    """Train a run as if it were the only one; best weights are left in its folder."""
    folder = RunFolder(config.storage, str(config.name))
    family = family_of(config)
    indices = family.indices()
    task = family.task(indices, device)
    seed_weights(config.seed)
    model = task.build_model()
    family.start(model)
    model = model.to(device)
    state = TrainingState()
    writer = RunWriter(folder, config, 0, task.class_names)
    batches = LoadedBatches(config, indices, device, processes)
    train(Run(config, task, model, device, batches, Told(config, writer)), state)
    writer.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="+", metavar="PRESET or key=value")
    parser.add_argument("--teacher", help="train this task's teacher only, beside the others")
    parser.add_argument("--processes", type=int, default=2, help="that make samples")
    options = parser.parse_args(arguments)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    given = load(options.words[0], options.words[1:])
    config = family_of(given).prepared()
    set_up_cpu(config.training.num_threads or config.cluster.cpus_per_worker)
    start = time.monotonic()
    for teacher in family_of(config).first():
        if options.teacher not in (None, teacher.name):
            continue
        if not RunFolder(teacher.storage, str(teacher.name)).has("model.safetensors"):
            run(teacher, device, options.processes)
    if options.teacher:
        return
    print(f"{config.name}: teachers after {time.monotonic() - start:.0f} s", flush=True)
    run(config, device, options.processes)
    print(f"{config.name}: all after {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()

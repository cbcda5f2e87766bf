"""Phases of the unified model in one process, as a worker takes them, on a few embedded scenes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from mtl.config.load import load
from mtl.config.unified_run import UnifiedRunConfig
from mtl.data.collate import collate
from mtl.families import Indices, family_of
from mtl.families.family import Family
from mtl.models.model_file import save_model
from mtl.tasks.task import Batch
from mtl.training.loop import train
from mtl.training.numbers import training_numbers
from mtl.training.run import Run
from mtl.training.run_folder import RunFolder
from mtl.training.seeding import seed_weights
from mtl.training.state import TrainingState

SMALL = [
    "train_type=sequential", "name=run", "training.batch_size=2", "teachers.batch_size=2",
    "training.samples_per_epoch=4", "stages.teachers.epochs=2", "training.val_samples=0",
    "evaluation.splits=[val]", "checkpoint.every_steps=1", "data.synthetic.train_images=6",
    "data.synthetic.val_images=4", "data.synthetic.size=64", "retention.memory_images=2",
    "retention.fisher_images=3", "model.neck_width=16",
    "data.sizes={det: 64, seg: 64, cls: 64, cls_short_side: 64}",
]  # fmt: skip


class StoppedError(Exception):
    """The process is gone."""


class Keeper:
    """Keeps states on disk, and stops after so many."""

    def __init__(self, folder: Path, stop_after: int | None = None) -> None:
        self.folder, self.stop_after, self.saved = folder, stop_after, 0

    def progress(self, news: dict[str, Any]) -> None:
        pass

    def checkpoint(self, state: TrainingState, improved: bool) -> None:
        place = self.folder / "state"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        state.save(place, {})
        self.saved += 1
        if self.saved == self.stop_after:
            raise StoppedError

    def last(self) -> TrainingState:
        return TrainingState.load(self.folder / "state")


class LocalBatches:
    """Batches of a family's training split."""

    def __init__(self, config: UnifiedRunConfig, family: Family, indices: Indices) -> None:
        self.config = config.training
        self.sampler = family.sampler(indices.train, training=True)

    def training(self, first_step: int, last_step: int) -> Iterator[Batch]:
        c = self.config
        for row in training_numbers(first_step, last_step, c.batch_size, c.accumulate, 0, 1):
            arrays = collate([self.sampler.sample(int(number)) for number in row])
            yield {name: torch.from_numpy(array) for name, array in arrays.items()}

    def validation(self) -> Iterator[Batch]:
        return iter(())


def small(storage: Path, *words: str) -> UnifiedRunConfig:
    """A prepared sequential run."""
    config = load("unified_demo", [*SMALL, f"storage={storage}", *words])
    return family_of(config).prepared()  # type: ignore[return-value]


def run_of(config: UnifiedRunConfig, keeper: Keeper, state: TrainingState) -> Run:
    """What a worker makes of a config."""
    device = torch.device("cpu")
    family = family_of(config)
    indices = family.indices()
    task = family.task(indices, device)
    seed_weights(config.seed)
    model = task.build_model()
    if not state.model:
        family.start(model)
    return Run(config, task, model, device, LocalBatches(config, family, indices), keeper)


def trained(
    config: UnifiedRunConfig, stop_after: int | None = None, state: TrainingState | None = None
) -> TrainingState:
    """Train the runs that this one needs, then itself; leaves each one's weights in its folder."""
    for needed in family_of(config).first():
        if not RunFolder(needed.storage, str(needed.name)).has("model.safetensors"):
            trained(needed)  # type: ignore[arg-type]
    folder = Path(config.storage) / str(config.name)
    folder.mkdir(parents=True, exist_ok=True)
    start = state or TrainingState()
    run = run_of(config, Keeper(folder, stop_after), start)
    reached = train(run, start)
    names = run.task.class_names
    save_model(folder / "model.safetensors", reached.model, config, {}, classes=names)
    return reached

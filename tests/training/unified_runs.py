"""Small runs of the unified family in the real loop, in one process or in several, without Ray."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

from mtl.config.load import load
from mtl.config.schema import RunConfig
from mtl.config.unified import UNIFIED_TASKS
from mtl.config.unified_run import UnifiedRunConfig
from mtl.data.collate import collate
from mtl.families.unified import UnifiedFamily
from mtl.losses.segmentation import IGNORED
from mtl.models.build import build_model
from mtl.models.model_file import save_model
from mtl.tasks.task import Batch
from mtl.training.distributed import world
from mtl.training.loop import train
from mtl.training.numbers import training_numbers, validation_numbers
from mtl.training.run import Reporter, Run
from mtl.training.seeding import seed_weights
from mtl.training.state import TrainingState
from tests.training.two_tasks import Keeper

CPU = torch.device("cpu")
TINY = [
    "data.synthetic={train_images: 12, val_images: 4, size: 64}",
    "data.sizes={det: 64, seg: 96, cls: 64, cls_short_side: 64}",
    "model.neck_width=16", "model.attention.head_width=8",
    "training.batch_size=4", "training.samples_per_epoch=8", "training.val_samples=4",
    "training.log_every=1", "stages.teachers.epochs=1", "stages.joint.epochs=2",
    "teachers.batch_size=4", "evaluation.splits=[val]",
]  # fmt: skip


class PlainBatches:
    """Batches of a family made here and now."""

    def __init__(self, config: RunConfig, family: UnifiedFamily) -> None:
        self.config = config.training
        indices = family.indices()
        self._train = family.sampler(indices.train, training=True)
        self._val = None if indices.val is None else family.sampler(indices.val, training=False)
        self._val_samples = 0 if indices.val is None else family.val_samples(indices.val)

    def training(self, first_step: int, last_step: int) -> Iterator[Batch]:
        c, (rank, size) = self.config, world()
        numbers = training_numbers(first_step, last_step, c.batch_size, c.accumulate, rank, size)
        return (tensors([self._train.sample(int(n)) for n in row]) for row in numbers)

    def validation(self) -> Iterator[Batch]:
        (rank, size), sampler = world(), self._val
        assert sampler is not None
        # One by one, so that of an odd number of images one worker has a batch more.
        rows = validation_numbers(self._val_samples, 1, rank, size)
        return (tensors([sampler.sample(int(n)) for n in row]) for row in rows)


def tensors(samples: list[dict]) -> Batch:
    return {name: torch.from_numpy(array) for name, array in collate(samples).items()}


def config_of(*words: str, preset: str = "unified_demo") -> UnifiedRunConfig:
    config = load(preset, [*TINY, *words])
    assert isinstance(config, UnifiedRunConfig)
    return config


def run_of(config: UnifiedRunConfig, reporter: Reporter | None = None) -> Run:
    family = UnifiedFamily(config)
    task = family.task(family.indices(), CPU)
    seed_weights(config.seed)
    model = task.build_model()
    batches = PlainBatches(config, family)
    return Run(config, task, model, CPU, batches, reporter or Keeper())


def trained(config: UnifiedRunConfig, reporter: Reporter | None = None) -> TrainingState:
    return train(run_of(config, reporter), TrainingState())


def some_model(config: UnifiedRunConfig, seed: int = 3) -> nn.Module:
    """A model in training mode whose attention and statistics are not those of a fresh one."""
    torch.manual_seed(seed)
    model = build_model(config)
    model.attention.to_qkv.weight.data *= 20
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1)
        elif name.endswith("running_var"):
            buffer.uniform_(0.8, 1.2)
    return model.train()


def save_teachers(folder: Path, *words: str) -> list[str]:
    """Teachers of the network of `config_of(*words)` that learned nothing; words that name them."""
    config = config_of(*words)
    for seed, task in enumerate(UNIFIED_TASKS, start=10):
        (folder / task).mkdir(parents=True)
        weights = some_model(config, seed).state_dict()
        save_model(folder / task / "model.safetensors", weights, config, {}, classes={})
    return [f"teachers.{task}={folder / task}" for task in UNIFIED_TASKS]


SHARED = (
    "model.normalization=frozen", "training.batch_size=8", "training.samples_per_epoch=16",
    "stages.joint.epochs=1", "stages.joint.learning_rate=1e-3", "optimizer.max_grad_norm=null",
    "training.val_samples=3",
)  # fmt: skip
"""Of runs that one worker and two must train alike, normalisation being left alone."""
CASES = {
    "learnable": ("weighting={kind: learnable, learning_rate: null, start: 1.0}",),
    "fixed": ("weighting={kind: fixed}",),
    "accumulated": ("weighting={kind: learnable}", "training.accumulate=2"),
}


def shared_config(case: str, workers: int, teachers: list[str]) -> UnifiedRunConfig:
    return config_of(*SHARED, *CASES[case], *teachers, f"cluster.workers={workers}")


class IgnoringBatches(PlainBatches):
    """Half of each image's pixels are ignored, but for the first images of a batch."""

    def training(self, first_step: int, last_step: int) -> Iterator[Batch]:
        for batch in super().training(first_step, last_step):
            even = batch["sample"] % 4 == 0
            batch["seg_mask"][~even, :50] = IGNORED
            yield batch


def shared_run(case: str, workers: int, teachers: list[str]) -> TrainingState:
    config = shared_config(case, workers, teachers)
    run = run_of(config)
    run.batches = IgnoringBatches(config, UnifiedFamily(config))
    return train(run, TrainingState())


def main(folder: str, rank: int, size: int, *teachers: str) -> None:
    """One of several processes: trains every case and leaves weights and history in a file."""
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=size
    )
    for case in CASES:
        state = shared_run(case, size, list(teachers))
        if rank == 0:
            kept = {"model": state.model, "history": state.history, "balancing": state.balancing}
            torch.save(kept, f"{folder}/{case}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])

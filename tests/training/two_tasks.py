"""Two regressions that share a layer, trained by the loop in one process or in several."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from mtl.config.load import load
from mtl.config.schema import RunConfig, StageConfig
from mtl.tasks.task import Batch, Metrics, Moment, TaskLosses
from mtl.training.distributed import world
from mtl.training.loop import train
from mtl.training.numbers import training_numbers
from mtl.training.run import Run
from mtl.training.seeding import seed_weights
from mtl.training.state import TrainingState


class Pair(nn.Module):
    """A shared layer with two heads and no normalisation, so that halves of a batch add up."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Linear(3, 6)
        self.left = nn.Linear(6, 1)
        self.right = nn.Linear(6, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.shared(x).tanh()
        return self.left(hidden), self.right(hidden)


class TwoTasks:
    """Targets that pull the shared layer apart."""

    def __init__(self) -> None:
        self.weights = {"left": 2.0, "right": 1.0, "right_size": 0.5}
        self.loss_groups = {"left": ("left",), "right": ("right", "right_size")}

    def build_model(self) -> nn.Module:
        return Pair()

    def losses(self, model: nn.Module, batch: Batch, moment: Moment) -> TaskLosses:
        left, right = model(batch["x"])
        values = {
            "left": (left - batch["y"]).square().mean(),
            "right": (right + 3 * batch["y"]).square().mean(),
            "right_size": right.square().mean(),
        }
        count = torch.tensor(float(len(left)), dtype=torch.float64)
        return TaskLosses(
            values, {"n": count, **{k: v.detach() * count for k, v in values.items()}}
        )

    def metrics(self, statistics: dict[str, Tensor]) -> Metrics:
        n = statistics["n"]
        losses = {f"loss/{k}": float(statistics[k] / n) for k in self.weights}
        return {"loss/total": sum(self.weights[k[5:]] * v for k, v in losses.items()), **losses}

    def parameter_groups(self, model: nn.Module, stage: StageConfig) -> list[dict[str, Any]]:
        return [{"params": list(model.parameters()), "lr": stage.learning_rate}]

    def shared_parameters(self, model: nn.Module) -> list[nn.Parameter]:
        assert isinstance(model, Pair)
        return list(model.shared.parameters())

    def set_mode(self, model: nn.Module, stage: StageConfig) -> None:
        model.train()

    def describe(self, batch: Batch) -> str:
        return "the samples"


class Samples:
    """Each sample is a function of its number; every process takes its share."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config.training

    def training(self, first_step: int, last_step: int) -> Iterator[Batch]:
        c, (rank, size) = self.config, world()
        numbers = training_numbers(first_step, last_step, c.batch_size, c.accumulate, rank, size)
        for row in numbers:
            xs = [np.random.default_rng(int(i)).standard_normal(3) for i in row]
            x = torch.tensor(np.array(xs), dtype=torch.float32)
            yield {"x": x, "y": x.sum(dim=1, keepdim=True)}

    def validation(self) -> Iterator[Batch]:
        return iter(())


class Keeper:
    """Saves states where a test wants them."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder, self.saved = folder, 0
        self.improved: list[bool] = []

    def progress(self, news: dict[str, Any]) -> None:
        pass

    def checkpoint(self, state: TrainingState, improved: bool) -> None:
        self.improved.append(improved)
        if self.folder:
            (self.folder / f"{self.saved:03}").mkdir(parents=True)
            state.save(self.folder / f"{self.saved:03}", {})
            self.saved += 1


def config_of(kind: str, *words: str) -> RunConfig:
    return load(
        "demo",
        [
            f"weighting.kind={kind}", "stages.head.epochs=1", "stages.full.epochs=4",
            "stages.full.learning_rate=0.03", "training.batch_size=8",
            "training.samples_per_epoch=32", "training.val_samples=0",
            "optimizer.max_grad_norm=10", "diagnostics.gradients_every=2", *words,
        ],
    )  # fmt: skip


def run_of(config: RunConfig, reporter: Keeper | None = None) -> Run:
    task = TwoTasks()
    seed_weights(config.seed)
    model = task.build_model()
    return Run(config, task, model, torch.device("cpu"), Samples(config), reporter or Keeper())


def trained(config: RunConfig) -> TrainingState:
    return train(run_of(config), TrainingState())


def main(folder: str, rank: int, size: int, *cases: str) -> None:
    """One of several processes: trains every case and leaves weights and history in a file."""
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=size
    )
    for case in cases:
        kind, accumulate = case.split(":")
        config = config_of(kind, f"training.accumulate={accumulate}", f"cluster.workers={size}")
        state = trained(config)
        if rank == 0:
            torch.save({"model": state.model, "history": state.history}, f"{folder}/{case}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])

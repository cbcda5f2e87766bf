"""One optimiser step in the making: its batches, and what turns them into losses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from mtl.config.schema import TrainingConfig
from mtl.losses.weighting import LossGroups
from mtl.tasks.task import Batch, Moment
from mtl.training.distributed import sum_over_ranks, world
from mtl.training.gradients import GradientProbe
from mtl.training.meter import Meter
from mtl.training.optimizer import require_finite
from mtl.training.run import Run
from mtl.training.seeding import seed_step

AUTOCAST = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Setting:
    """What all steps of a stage share."""

    run: Run
    model: nn.Module
    """The run's, in DDP where there are several processes."""
    groups: LossGroups
    scaler: torch.amp.GradScaler
    probe: GradientProbe


@dataclass(frozen=True)
class Step:
    """What is known when a step begins."""

    setting: Setting
    number: int
    """Of the step in the run, from 0."""
    micro_batches: list[Batch]
    moment: Moment
    meter: Meter
    learning_rate: float
    """Largest of the optimiser's groups in this step."""

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Losses of one micro-batch in the graph; their statistics go to the meter.

        The probe sees their graph here, before the backward pass uses it up.

        Raises:
            NonFiniteLossError: a loss, or the weighted sum of a group, is not finite.
        """
        run, setting = self.setting.run, self.setting
        with autocast(run.config.training, run.device):
            values, statistics = run.task.losses(model, batch, self.moment)
        sums = {f"{name} (weighted)": x for name, x in setting.groups.losses(values).items()}
        require_finite({**values, **sums}, self.number, lambda: run.task.describe(batch))
        self.meter.add(statistics)
        setting.probe.add(values, self.scale)
        return values

    def reseed(self) -> None:
        """Begin the step's randomness (dropout, stochastic depth) anew."""
        seed_step(self.setting.run.config.seed, self.number, world()[0])

    def random_state(self) -> np.random.Generator:
        """This step's own draws for its weights; the same in every process."""
        return np.random.default_rng([self.setting.run.config.seed, 2, self.number])

    def scale(self, loss: Tensor) -> Tensor:
        """A micro-batch's share of the step's loss, as the gradient scaler wants it."""
        return self.setting.scaler.scale(loss / len(self.micro_batches))

    def mean(self, values: list[dict[str, Tensor]]) -> tuple[Tensor, Tensor]:
        """Task losses averaged over all micro-batches of all processes.

        Args:
            values: losses of this process's micro-batches.

        Returns:
            (K,) float64 on the CPU, a micro-batch without a task counting as 0; and (K,) the share
            of micro-batches that had the task.
        """
        groups = self.setting.groups
        names = groups.names
        rows = [groups.losses({n: v.detach() for n, v in one.items()}) for one in values]
        losses = torch.stack(
            [sum((r[n].double() for r in rows if n in r), self._zero()) for n in names]
        )
        present = torch.tensor(
            [float(sum(n in r for r in rows)) for n in names],
            dtype=torch.float64,
            device=self.setting.run.device,
        )
        total = sum_over_ranks({"losses": losses, "present": present})
        count = len(values) * world()[1]
        return total["losses"].cpu() / count, total["present"].cpu() / count

    def measure(self) -> Tensor:
        """Task losses (K,) of the whole step as the weights are now, leaving no trace.

        Dropout falls as it did in training; normalisation statistics stay as they were.
        """
        self.reseed()
        run = self.setting.run
        precision = autocast(run.config.training, run.device)
        with torch.no_grad(), untouched_buffers(run.model), precision:
            values = [
                run.task.losses(run.model, batch, self.moment).values
                for batch in self.micro_batches
            ]
        return self.mean(values)[0]

    def _zero(self) -> Tensor:
        return torch.zeros((), dtype=torch.float64, device=self.setting.run.device)


def autocast(config: TrainingConfig, device: torch.device) -> torch.autocast:
    """Mixed precision of the forward pass as the config says."""
    dtype = AUTOCAST[config.precision]
    return torch.autocast(device.type, dtype=dtype, enabled=dtype is not None)


@contextmanager
def untouched_buffers(model: nn.Module) -> Iterator[None]:
    """Give every buffer of the model its value back at the end."""
    before = [buffer.clone() for buffer in model.buffers()]
    try:
        yield
    finally:
        for buffer, value in zip(model.buffers(), before, strict=True):
            buffer.copy_(value)

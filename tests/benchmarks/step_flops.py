"""Operations of a training step, counted alike for every table."""

from __future__ import annotations

import torch
from torch import nn

from mtl.comparison.counts import flops
from mtl.tasks.task import Batch, Moment, Task


def step_flops(task: Task, model: nn.Module, batch: Batch) -> int:
    """Operations of forward and backward pass as `flops` counts them; leaves gradients behind."""

    def step() -> None:
        losses = task.losses(model, batch, Moment(1, True)).values
        torch.stack([loss.float() for loss in losses.values()]).sum().backward()

    return flops(step)

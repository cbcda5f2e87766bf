"""Gradients of several tasks at the same parameters, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from mtl.training.distributed import world


class TaskGradients:
    """One row of numbers per task, all parameters one after the other.

    Filled micro-batch by micro-batch, then averaged over ranks at once.

    Args:
        tasks: names of the K tasks.
        parameters: what the gradients belong to, P numbers together; at least one parameter.
    """

    def __init__(self, tasks: Sequence[str], parameters: Sequence[nn.Parameter]) -> None:
        self.parameters = list(parameters)
        self._number = {task: number for number, task in enumerate(tasks)}
        device = self.parameters[0].device
        ends = np.cumsum([parameter.numel() for parameter in self.parameters]).tolist()
        self._slices = [slice(a, b) for a, b in zip([0, *ends], ends, strict=False)]
        self._rows = torch.zeros(len(tasks), ends[-1], device=device)

    def add(self, task: str, gradients: Sequence[Tensor | None]) -> None:
        """Add a task's gradients, one per parameter; None where it does not depend on it."""
        row = self._rows[self._number[task]]
        for place, gradient in zip(self._slices, gradients, strict=True):
            if gradient is not None:
                row[place] += gradient.flatten()

    def average_over_ranks(self) -> None:
        """Replace every rank's gradients by their mean; every rank must call it."""
        size = world()[1]
        if size > 1:
            dist.all_reduce(self._rows)
            self._rows /= size

    def gram(self) -> np.ndarray:
        """Inner products of the tasks' gradients, (K, K) float64."""
        blocks = (self._rows[:, place].double() for place in self._slices)
        return torch.stack([block @ block.T for block in blocks]).sum(dim=0).cpu().numpy()

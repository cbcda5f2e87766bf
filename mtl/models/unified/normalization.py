"""Batch normalisation whose statistics depend on the task, or never change.

Weights and biases are those of the layer that is replaced; so are the names of all entries.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtl.config.unified import UNIFIED_TASKS, NormalizationName, UnifiedTaskName


class ActiveTask:
    """The task whose images are being looked at; one for all layers of a model."""

    def __init__(self) -> None:
        self.index = 0

    def set(self, task: UnifiedTaskName) -> None:
        """Use this task's statistics from now on."""
        self.index = UNIFIED_TASKS.index(task)


class _Replacement(nn.Module):
    """What both have of the layer they replace: its parameters, and what timm lets follow it."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.weight, self.bias = norm.weight, norm.bias
        self.eps, self.momentum = norm.eps, norm.momentum
        self.act = getattr(norm, "act", nn.Identity())


class FrozenNorm(_Replacement):
    """Normalises with the statistics it was given, in training too."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__(norm)
        for name, buffer in norm.named_buffers():
            self.register_buffer(name, buffer)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to the same shape."""
        mean, var = self.get_buffer("running_mean"), self.get_buffer("running_var")
        return self.act(F.batch_norm(x, mean, var, self.weight, self.bias, eps=self.eps))


class PerTaskNorm(_Replacement):
    """Keeps a row of statistics for each task, in the order of `UNIFIED_TASKS`."""

    def __init__(self, norm: nn.BatchNorm2d, active: ActiveTask) -> None:
        super().__init__(norm)
        self.active = active
        for name, buffer in norm.named_buffers():
            rows = torch.stack([buffer] * len(UNIFIED_TASKS))
            self.register_buffer(name, rows)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to the same shape."""
        row = self.active.index
        if self.training:
            self.get_buffer("num_batches_tracked")[row] += 1
        return self.act(
            F.batch_norm(
                x,
                self.get_buffer("running_mean")[row],
                self.get_buffer("running_var")[row],
                self.weight,
                self.bias,
                self.training,
                self.momentum or 0.0,
                self.eps,
            )
        )


def replace_norms(
    module: nn.Module, kind: NormalizationName, active: ActiveTask, backbone: str
) -> None:
    """Replace the batch normalisations inside a model.

    Args:
        module: changed in place.
        kind: `normalization` of the config; shared leaves the model as it is.
        active: what statistics of each task read.
        backbone: name of the child whose statistics frozen_backbone keeps.
    """
    if kind == "shared":
        return
    for name, child in module.named_children():
        if kind == "frozen" or (kind == "frozen_backbone" and name == backbone):
            _replace(child, FrozenNorm)
        else:
            _replace(child, lambda norm: PerTaskNorm(norm, active))


def _replace(module: nn.Module, replacement: Callable[[nn.BatchNorm2d], nn.Module]) -> None:
    """Replace what is found at any depth."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            module.add_module(name, replacement(child))
        else:
            _replace(child, replacement)

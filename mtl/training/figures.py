"""What a step tells besides its losses, over an epoch: task weights, how gradients compare."""

from __future__ import annotations

import torch
from torch import Tensor

from mtl.training.distributed import world

FIGURE = "figure/"
"""Marks their sums among an epoch's statistics."""


def figure_sums(figures: dict[str, float], device: torch.device) -> dict[str, Tensor]:
    """Figures as statistics: their value and a count of one.

    Every process has the same figures, so only those of the first count.
    """
    first = float(world()[0] == 0)
    return {
        FIGURE + name: torch.tensor([value * first, first], dtype=torch.float64, device=device)
        for name, value in figures.items()
    }


def mean_figures(totals: dict[str, Tensor]) -> dict[str, float]:
    """Each figure's mean over an epoch, taken out of the epoch's sums."""
    names = [name for name in totals if name.startswith(FIGURE)]
    means = {}
    for name in names:
        value, count = totals.pop(name).tolist()
        means[name.removeprefix(FIGURE)] = value / count
    return means

"""Stochastic depth (Huang et al., ECCV 2016), drawn once for a whole clip."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class StochasticDepth(nn.Module):
    """Draws which residual branches a sample skips; active in train mode only.

    The factors of a clip are drawn together, so that running its frames in one pass or in several
    gives the same result. It is a module of its own, so that its mode can differ from its parent's.

    Args:
        rates: probability of skipping, for each block.
    """

    def __init__(self, rates: Sequence[float]) -> None:
        super().__init__()
        self.rates = tuple(rates)

    def forward(self, batch: int, frames: int, device: torch.device) -> Tensor | None:
        """(depth, 2, batch, frames) factors of the branches, 0 or 1 / (1 - rate); None: all 1."""
        if not self.training or not any(self.rates):
            return None
        keep = 1.0 - torch.tensor(self.rates, device=device).view(-1, 1, 1, 1)
        draws = torch.rand(len(self.rates), 2, batch, frames, device=device)
        return (draws < keep) / keep

"""What each task makes of the grid before the tasks meet."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Neck(nn.Module):
    """Depthwise 3x3 and pointwise convolution, nothing between them; normalisation; ReLU.

    Args:
        channels: of the grid.
        width: of the result.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.pointwise = nn.Conv2d(channels, width, 1)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, grid: Tensor) -> Tensor:
        """(B, channels, h, w) to (B, width, h, w)."""
        return F.relu(self.norm(self.pointwise(self.depthwise(grid))))

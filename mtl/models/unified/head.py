"""The one head: a block of channels for each task, from grouped convolutions."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from mtl.config.unified import UnifiedConfig


class GroupedHead(nn.Module):
    """3x3 and 1x1 convolution in groups: block g of the answer depends on block g of the input.

    Each group reads a quarter of the neck's channels. Of the published four groups the last answers
    nothing; with three the other blocks stay what they are.
    """

    def __init__(self, config: UnifiedConfig) -> None:
        super().__init__()
        groups, hidden = config.head.groups, config.head.groups * config.head.group_width
        self.in_channels = groups * config.neck_width // 4
        self.block_channels = config.block_channels
        self.hidden = nn.Conv2d(self.in_channels, hidden, 3, padding=1, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(hidden)
        self.dropout = nn.Dropout2d(config.head.dropout)
        self.out = nn.Conv2d(hidden, groups * self.block_channels, 1, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, h, w) to (B, groups * block_channels, h, w)."""
        return self.out(self.dropout(F.relu(self.norm(self.hidden(x)))))

    def blocks(self, x: Tensor) -> tuple[Tensor, ...]:
        """The answer by group: detection, segmentation, classification, and what is never read."""
        return self(x).split(self.block_channels, dim=1)

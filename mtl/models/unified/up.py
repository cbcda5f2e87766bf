"""From the backbone's last map to a grid twice as fine."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from mtl.models.unified.backbone import Features


class Up(nn.Module):
    """Pixel shuffle of a 1x1 convolution, plus the backbone's finer maps where they are wanted.

    Args:
        channels: C of the backbone's last map.
        laterals: channels of finer maps by their stride, 16 or 8; empty: none is looked at.
    """

    def __init__(self, channels: int, laterals: Mapping[int, int]) -> None:
        super().__init__()
        self.out_channels = channels // 2
        self.conv = nn.Conv2d(channels, 2 * channels, 1)
        self.laterals = nn.ModuleList(
            _lateral(width, self.out_channels, stride) for stride, width in laterals.items()
        )

    def forward(self, features: Features) -> Tensor:
        """(B, C/2, h, w), h and w twice those of the last map."""
        grid = F.pixel_shuffle(self.conv(features.last), 2)
        for lateral, finer in zip(self.laterals, features.laterals, strict=True):
            grid = grid + _fit(lateral(finer), grid)
        return grid


def _lateral(channels: int, out_channels: int, stride: int) -> nn.Sequential:
    """A finer map at stride 16 with the grid's channels; one of stride 8 is halved first."""
    layers: list[nn.Module] = []
    if stride == 8:
        layers.append(nn.Conv2d(channels, channels, 3, 2, 1, groups=channels, bias=False))
    layers.append(nn.Conv2d(channels, out_channels, 1, bias=False))
    layers.append(nn.BatchNorm2d(out_channels))
    return nn.Sequential(*layers)


def _fit(finer: Tensor, grid: Tensor) -> Tensor:
    """Both span the image, but the grid rounds up at stride 32: 144 pixels are 10 cells, not 9."""
    if finer.shape[-2:] == grid.shape[-2:]:
        return finer
    return F.interpolate(finer, size=grid.shape[-2:], mode="bilinear", align_corners=False)

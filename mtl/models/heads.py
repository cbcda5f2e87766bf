"""Heads that turn the fused search map into a box, and how their maps are read.

Module names are those of the published weights. Boxes are over the side of the search crop.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mtl.config.schema import BoxHeadConfig
from mtl.geometry.boxes import xyxy_to_cxcywh

SCORE_FLOOR = 1e-4
"""Scores and sizes stay this far from 0 and 1."""
SCORE_PRIOR = 0.1
"""Score of every cell before training (Lin et al., ICCV 2017, section 4.1)."""


class CenterMaps(NamedTuple):
    """What the center head says about a batch of frames."""

    score_map: Tensor
    """(B, 1, h, w) in (0, 1)."""
    size_map: Tensor
    """(B, 2, h, w) width and height in (0, 1)."""
    offset_map: Tensor
    """(B, 2, h, w) from a cell's corner to the centre, in cells, any value."""

    def decode(self, window: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Boxes cxcywh (B, 4) at the best cell of score times `window` (h, w), and scores (B,).

        The score that is returned is the map's, without the window.
        """
        scores = self.score_map if window is None else self.score_map * window
        cells = scores.flatten(1).argmax(dim=1, keepdim=True)
        boxes = boxes_at(self, cells).squeeze(1)
        return boxes, self.score_map.flatten(1).gather(1, cells).squeeze(1)


class CornerMaps(NamedTuple):
    """What the corner head says about a batch of frames; N cells."""

    top_left: Tensor
    """(B, N) probability of each cell."""
    bottom_right: Tensor
    """(B, N) probability of each cell."""
    boxes_xyxy: Tensor
    """(B, 4) expected corners."""

    def decode(self, window: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Boxes cxcywh (B, 4), and the geometric mean of the two best probabilities (B,).

        An expected corner has no single cell a window could favour, so `window` has no influence.
        """
        peaks = self.top_left.amax(dim=1) * self.bottom_right.amax(dim=1)
        return xyxy_to_cxcywh(self.boxes_xyxy), peaks.sqrt()


class CenterHead(nn.Module):
    """Score, size and offset maps (OSTrack, Ye et al., ECCV 2022)."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        for branch, outputs in (("ctr", 1), ("offset", 2), ("size", 2)):
            _add_branch(self, branch, inputs, channels, outputs)
        # Not in the published start, which comes with trained heads: from noise, a score map that
        # begins at one half spends its first hundreds of steps on the background alone.
        nn.init.constant_(self.get_parameter("conv5_ctr.bias"), -math.log(1.0 / SCORE_PRIOR - 1.0))

    def forward(self, maps: Tensor) -> CenterMaps:
        """(B, inputs, h, w) -> float32 maps."""
        score = _branch(self, "ctr", maps).float().sigmoid()
        offset = _branch(self, "offset", maps).float()
        size = _branch(self, "size", maps).float().sigmoid()
        limits = (SCORE_FLOOR, 1.0 - SCORE_FLOOR)
        return CenterMaps(score.clamp(*limits), size.clamp(*limits), offset)


class CornerHead(nn.Module):
    """Two maps of corner probabilities (STARK, Yan et al., ICCV 2021)."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        for branch in ("tl", "br"):
            _add_branch(self, branch, inputs, channels, 1)

    def forward(self, maps: Tensor) -> CornerMaps:
        """(B, inputs, h, w) -> float32 probabilities and expected corners."""
        side = maps.shape[-1]
        top_left = _branch(self, "tl", maps).float().flatten(1).softmax(dim=1)
        bottom_right = _branch(self, "br", maps).float().flatten(1).softmax(dim=1)
        # A cell stands for its corner, not its middle.
        origins = torch.arange(side, device=maps.device, dtype=torch.float32) / side
        grid = torch.stack([origins.repeat(side), origins.repeat_interleave(side)], dim=1)
        with torch.autocast(maps.device.type, enabled=False):
            boxes = torch.cat([top_left @ grid, bottom_right @ grid], dim=1)
        return CornerMaps(top_left, bottom_right, boxes)


BOX_HEADS: dict[str, type[CenterHead] | type[CornerHead]] = {
    "center": CenterHead,
    "corner": CornerHead,
}


def build_box_head(config: BoxHeadConfig, inputs: int) -> CenterHead | CornerHead:
    """The head the config names, for a fused map of `inputs` channels, as HIPTrack starts it."""
    head = BOX_HEADS[config.kind](inputs, config.channels)
    for parameter in head.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)
    return head


def boxes_at(maps: CenterMaps, cells: Tensor) -> Tensor:
    """Boxes at given cells; gradients reach the sizes and offsets of these cells only.

    box = ((column + dx) / w, (row + dy) / h, size).

    Args:
        maps: of the center head.
        cells: (B, K) numbers of cells, row by row.

    Returns:
        (B, K, 4) cxcywh.
    """
    height, width = maps.score_map.shape[-2:]
    rows = cells[:, None].expand(-1, 2, -1)
    size = maps.size_map.flatten(2).gather(2, rows)
    offset = maps.offset_map.flatten(2).gather(2, rows)
    x = (cells % width + offset[:, 0]) / width
    y = (cells.div(width, rounding_mode="floor") + offset[:, 1]) / height
    return torch.stack([x, y, size[:, 0], size[:, 1]], dim=-1)


def best_boxes(maps: CenterMaps, count: int) -> Tensor:
    """(B, count, 4) cxcywh at the cells of the highest scores, best first."""
    return boxes_at(maps, maps.score_map.flatten(1).topk(count, dim=1).indices)


def _add_branch(head: nn.Module, name: str, inputs: int, channels: int, outputs: int) -> None:
    widths = [inputs, channels, channels // 2, channels // 4, channels // 8]
    for number in range(1, 5):
        layer = nn.Sequential(
            nn.Conv2d(widths[number - 1], widths[number], kernel_size=3, padding=1),
            nn.BatchNorm2d(widths[number]),
            nn.ReLU(inplace=True),
        )
        head.add_module(f"conv{number}_{name}", layer)
    head.add_module(f"conv5_{name}", nn.Conv2d(widths[4], outputs, kernel_size=1))


def _branch(head: nn.Module, name: str, maps: Tensor) -> Tensor:
    for number in range(1, 6):
        maps = head.get_submodule(f"conv{number}_{name}")(maps)
    return maps

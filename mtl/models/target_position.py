"""Where in the template the target is: SimTrack's position embedding of template tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mtl.geometry.boxes import xywh_to_xyxy


class TargetPosition(nn.Sequential):
    """Embeds how much of each template cell is target, and where the cell is (SimTrack spec 3.1).

    It stands in the place of a learned position embedding, and is float32 under autocast too.

    Args:
        width: channels of a token.
        side: cells along each side of the template.
    """

    def __init__(self, width: int, side: int) -> None:
        super().__init__(
            nn.Linear(3, width // 2), nn.ReLU(), nn.Linear(width // 2, width), nn.Sigmoid()
        )
        self.side = side

    def forward(self, boxes_xywh: Tensor) -> Tensor:
        """Boxes (B, 4) over the side of the template -> (B, side, side, width) in (-1, 1)."""
        with torch.autocast(boxes_xywh.device.type, enabled=False):
            return 2.0 * super().forward(cell_inputs(boxes_xywh.float(), self.side)) - 1.0


def cell_inputs(boxes_xywh: Tensor, side: int) -> Tensor:
    """(B, side, side, 3): (coverage + 1) / 2, and the cell's centre x and y over the side."""
    covered = coverage(boxes_xywh, side)
    centres = (torch.arange(side, device=covered.device, dtype=covered.dtype) + 0.5) / side
    x, y = centres.expand(side, side), centres[:, None].expand(side, side)
    return torch.stack([(covered + 1.0) / 2.0, x.expand_as(covered), y.expand_as(covered)], dim=-1)


def coverage(boxes_xywh: Tensor, side: int) -> Tensor:
    """Share of each cell that lies in the box (not an IoU): 1 inside, 0 outside.

    Args:
        boxes_xywh: (B, 4) over the side of the crop; what reaches over its border does not count.
        side: cells along each side.

    Returns:
        (B, side, side), row by row.
    """
    first, last = xywh_to_xyxy(boxes_xywh).clamp(0.0, 1.0)[..., None].split(2, dim=1)  # (B, 2, 1)
    edges = torch.arange(side + 1, device=boxes_xywh.device, dtype=boxes_xywh.dtype) / side
    shared = torch.minimum(last, edges[1:]) - torch.maximum(first, edges[:-1])
    columns, rows = (shared.clamp(min=0.0) * side).unbind(1)
    return rows[:, :, None] * columns[:, None, :]

"""The score map a target should give, and the focal loss against it (CornerNet, CenterNet)."""

from __future__ import annotations

import torch
from torch import Tensor

MIN_OVERLAP = 0.7
"""A box shifted by the radius still overlaps the true one by about this much."""


def target_maps(boxes_xywh: Tensor, side: int) -> Tensor:
    """Gaussian peaks at box centres, 1 at the centre's cell (HIPTrack spec 8).

    value = exp(-(dx^2 + dy^2) / (2 sigma^2)) within the radius, sigma = (2 radius + 1) / 6, worked
    out in double precision. A centre that rounds to a cell outside the map leaves no cell at 1.

    Args:
        boxes_xywh: (..., 4) over the side of the crop.
        side: of the map in cells.

    Returns:
        (..., side, side) float32.
    """
    cells = boxes_xywh.float() * side
    size = cells[..., 2:]
    center = (cells[..., :2] + size / 2).round()  # ties to even
    radius = gaussian_radius(size).double()
    at = torch.arange(side, device=cells.device, dtype=torch.float64)
    distance = at - center.double().unsqueeze(-1)  # (..., 2, side)
    near = distance.abs() <= radius[..., None, None]
    square = distance.square()
    sigma = (2.0 * radius + 1.0) / 6.0
    total = square[..., 1, :, None] + square[..., 0, None, :]
    value = torch.exp(-total / (2.0 * sigma.square())[..., None, None])
    drawn = near[..., 1, :, None] & near[..., 0, None, :]
    drawn &= value >= torch.finfo(torch.float64).eps
    return torch.where(drawn, value, 0.0).float()


def gaussian_radius(size: Tensor, min_overlap: float = MIN_OVERLAP) -> Tensor:
    """Whole radius of a peak, by the historical CornerNet formulas.

    They lack the leading coefficient in two denominators; trained weights know them that way.

    Args:
        size: (..., 2) width and height in cells.
        min_overlap: IoU that a shift by the radius should leave.

    Returns:
        (...) float32 of whole numbers >= 0.
    """
    width, height = size.unbind(-1)
    total, area, o = width + height, width * height, min_overlap
    r1 = (total + (total**2 - 4 * area * (1 - o) / (1 + o)).sqrt()) / 2
    r2 = (2 * total + (4 * total**2 - 16 * (1 - o) * area).sqrt()) / 2
    r3 = (-2 * o * total + (4 * o**2 * total**2 + 16 * o * (1 - o) * area).sqrt()) / 2
    return torch.minimum(torch.minimum(r1, r2), r3).clamp(min=0).trunc()


def focal_loss(score_maps: Tensor, targets: Tensor) -> Tensor:
    """Gaussian focal loss of a batch of score maps (Law and Deng, ECCV 2018), per frame.

    loss = -(sum_{Y=1} (1-p)^2 log p + sum_{Y<1} (1-Y)^4 p^2 log(1-p)) / max(1, number of Y=1),
    both sums and the number over the whole batch.

    Args:
        score_maps: (B, T, h, w) p in (0, 1).
        targets: (B, T, h, w) Y in [0, 1].

    Returns:
        (T,) float32.
    """
    p = score_maps.float().clamp(min=1e-12)
    positive = targets == 1.0
    at_peak = torch.log(p) * (1.0 - p).square()
    beside = torch.log1p(-p) * p.square() * (1.0 - targets).pow(4)
    total = torch.where(positive, at_peak, beside).sum(dim=(0, 2, 3))
    return -total / positive.sum(dim=(0, 2, 3)).clamp(min=1)

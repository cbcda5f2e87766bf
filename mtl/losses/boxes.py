"""Box regression losses of a clip, per frame."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mtl.geometry.boxes import iou_and_giou

GIoULoss = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Predicted and true boxes (B, T, 4) xyxy to losses (T,) and IoUs (B, T) outside the graph."""

TINY = 1e-12
"""Areas below this, of boxes over the side of a crop, are divided by as if they were this."""


def giou_loss(predicted_xyxy: Tensor, true_xyxy: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of 1 - GIoU over the batch, and the IoU of every box, whatever the corners' order.

    A box whose corners are crossed has no area, so it meets nothing: its IoU is 0. Its hull with
    the true box holds all four corners. The other boxes of the batch are none the worse for it.

    Args:
        predicted_xyxy: (B, T, 4) over the side of the crop.
        true_xyxy: (B, T, 4), x2 >= x1 and y2 >= y1.

    Returns:
        (T,) losses; (B, T) IoU outside the graph.
    """
    first, second = predicted_xyxy.split(2, dim=-1)
    true_first, true_second = true_xyxy.split(2, dim=-1)
    shared = torch.minimum(second, true_second) - torch.maximum(first, true_first)
    intersection = _area(shared)
    union = _area(second - first) + _area(true_second - true_first) - intersection
    hull_second = torch.maximum(torch.maximum(first, second), true_second)
    hull_first = torch.minimum(torch.minimum(first, second), true_first)
    hull = _area(hull_second - hull_first)
    iou = intersection / union.clamp(min=TINY)
    giou = iou - (hull - union) / hull.clamp(min=TINY)
    return (1.0 - giou).mean(dim=0), iou.detach()


def published_giou_loss(predicted_xyxy: Tensor, true_xyxy: Tensor) -> tuple[Tensor, Tensor]:
    """`giou_loss` as the published trackers have it (HIPTrack spec 8, SimTrack spec 5).

    A frame in which any box of the batch has its corners crossed gets a constant loss of 0 and an
    IoU of 0 for the whole batch.

    Args:
        predicted_xyxy: (B, T, 4).
        true_xyxy: (B, T, 4), same unit.

    Returns:
        (T,) losses; (B, T) IoU outside the graph.
    """
    both = torch.stack([predicted_xyxy, true_xyxy])
    crossed = (both[..., 2:] < both[..., :2]).any(dim=-1).any(dim=0).any(dim=0)  # (T,)
    # Crossed frames are computed with the unit box, so that no nan reaches the gradient.
    unit = predicted_xyxy.new_tensor([0.0, 0.0, 1.0, 1.0])
    predicted = torch.where(crossed[:, None], unit, predicted_xyxy)
    true = torch.where(crossed[:, None], unit, true_xyxy)
    iou, giou = iou_and_giou(predicted, true)
    loss = (1.0 - giou).mean(dim=0).masked_fill(crossed, 0.0)
    return loss, iou.detach().masked_fill(crossed, 0.0)


def l1_loss(predicted_xyxy: Tensor, true_xyxy: Tensor) -> Tensor:
    """(T,) mean absolute difference of corners of (B, T, 4) boxes."""
    return (predicted_xyxy - true_xyxy).abs().mean(dim=(0, 2))


def _area(sides: Tensor) -> Tensor:
    width, height = sides.clamp(min=0.0).unbind(-1)
    return width * height

"""Box regression losses of a clip, per frame."""

from __future__ import annotations

import torch
from torch import Tensor

from mtl.geometry.boxes import iou_and_giou


def giou_loss(predicted_xyxy: Tensor, true_xyxy: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of 1 - GIoU over the batch, and the IoU of every box (HIPTrack spec 8).

    A frame in which any box of the batch has its corners crossed gets a constant loss of 0 and an
    IoU of 0 for the whole batch: the published rule.

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

"""The segmentation loss (unified specification, section 3)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from mtl.losses.counts import MeanCount, own_count

IGNORED = 255
"""Mask value of pixels that belong to no class."""


def segmentation_targets(masks: Tensor, background: str) -> Tensor:
    """Classes of pixels from mask values.

    merged: value 1 is class 0, and so is value 0, the background. own: values are classes.

    Args:
        masks: (B, H, W) uint8.
        background: of `UnifiedConfig`.

    Returns:
        (B, H, W) int64; ignored pixels stay `IGNORED`.
    """
    targets = masks.long()
    if background == "merged":
        targets = (targets - 1).clamp(min=0).masked_fill(targets == IGNORED, IGNORED)
    return targets


def empty_masks(masks: Tensor) -> Tensor:
    """(B,) bool: every pixel of the mask (B, H, W) is ignored, so that it teaches nothing."""
    return (masks == IGNORED).flatten(1).all(dim=1)


def segmentation_loss(scores: Tensor, targets: Tensor, mean: MeanCount = own_count) -> Tensor:
    """Cross-entropy, mean over the pixels that are not ignored.

    Scores of another size are resized to that of the targets. Where every pixel is ignored the
    published loss is NaN and ends the run; here it is 0 with a gradient of 0.

    Args:
        scores: (B, C, h, w), no softmax.
        targets: (B, H, W) of `segmentation_targets`.
        mean: of the processes' counts of pixels.
    """
    if scores.shape[-2:] != targets.shape[-2:]:
        scores = F.interpolate(
            scores, size=targets.shape[-2:], mode="bilinear", align_corners=False
        )
    count = mean((targets != IGNORED).sum())
    total = F.cross_entropy(scores, targets, ignore_index=IGNORED, reduction="sum")
    return total / count.masked_fill(count == 0, 1)

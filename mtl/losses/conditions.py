"""The condition head's loss."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from mtl.conditions import IGNORE


def condition_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Mean cross entropy over labelled frames; 0, still in the graph, where none is labelled.

    Args:
        logits: (..., 10).
        target: (...) int64 numbers of conditions in canonical order, IGNORE where unlabelled.

    Returns:
        () float32.
    """
    total = F.cross_entropy(
        logits.float().flatten(0, -2), target.flatten(), ignore_index=IGNORE, reduction="sum"
    )
    return total / (target != IGNORE).sum().clamp(min=1)

"""What sums of a batch are divided by, where a batch is shared between processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch.distributed as dist
from torch import Tensor

MeanCount: TypeAlias = Callable[[Tensor], Tensor]
"""From this process's count of pixels, boxes, ... to the mean count of all processes."""


def own_count(count: Tensor) -> Tensor:
    """This process's count: its batch stands for itself."""
    return count


def mean_count(count: Tensor) -> Tensor:
    """The mean over all processes; every one of them must ask.

    Sums over this mean, averaged over processes as gradients are, are those of one process with the
    whole batch; sums over each process's own count are not, where the counts differ.

    Args:
        count: () of any type.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return count
    total = count.detach().double()
    dist.all_reduce(total)
    return (total / dist.get_world_size()).float()

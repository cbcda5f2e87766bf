"""The window that favours the middle of the search crop (HIPTrack spec 7.1)."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from mtl.models.heads import CenterMaps, CornerMaps


def window_of(maps: CenterMaps | CornerMaps) -> Tensor | None:
    """The window a score map is weighed with; corners are expectations and have none."""
    if not isinstance(maps, CenterMaps):
        return None
    return hann_window(maps.score_map.shape[-1], maps.score_map.device)


@functools.cache
def hann_window(side: int, device: torch.device | str = "cpu") -> Tensor:
    """(side, side) float32 outer product of 0.5 (1 - cos(2 pi (k + 1) / (side + 1)))."""
    line = torch.hann_window(side + 2, periodic=False, dtype=torch.float64)[1:-1]
    return torch.outer(line, line).float().to(device)

"""Boxes that were found in an image."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Boxes(NamedTuple):
    """Boxes found in one image, best first."""

    boxes_xyxy: Tensor
    """(N, 4) pixels of the network's input."""
    scores: Tensor
    """(N,)."""
    labels: Tensor
    """(N,) int64."""

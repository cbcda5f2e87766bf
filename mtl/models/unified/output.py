"""What the unified model answers, before any decoder."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class UnifiedOutput(NamedTuple):
    """Raw maps of a batch on one grid of h x w cells (unified specification, section 1)."""

    det_raw: Tensor
    """(B, D, h, w): x, y, sqrt_w, sqrt_h, confidence of each box slot, then the classes."""
    seg_raw: Tensor
    """(B, num_seg_classes, h, w)."""
    cls_raw: Tensor
    """(B, num_cls_classes, h, w)."""

    def detach(self) -> UnifiedOutput:
        """The same maps outside the graph."""
        return UnifiedOutput(*(raw.detach() for raw in self))

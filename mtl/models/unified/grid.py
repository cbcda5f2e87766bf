"""A detection map seen as box slots and classes."""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtl.geometry.boxes import cxcywh_to_xyxy


class DetectionGrid(NamedTuple):
    """A detection map before and after the sigmoid: n slots and C classes in h x w cells."""

    values: Tensor
    """(B, 5 n + C, h, w) in [0, 1]."""
    logits: Tensor
    """(B, 5 n + C, h, w)."""
    num_boxes: int
    """n."""

    @classmethod
    def of_raw(cls, det_raw: Tensor, num_boxes: int) -> DetectionGrid:
        """The grid of a raw map (B, 5 n + C, h, w)."""
        return cls(det_raw.sigmoid(), det_raw, num_boxes)

    @property
    def coordinates(self) -> Tensor:
        """(B, n, 4, h, w) x, y, sqrt_w, sqrt_h as the network gives them."""
        return self._slots(self.values)[:, :, :4]

    @property
    def log_sides(self) -> Tensor:
        """(B, n, 2, h, w) logarithms of width and height over the sides of the image."""
        return 2 * F.logsigmoid(self._slots(self.logits)[:, :, 2:4])

    @property
    def confidence(self) -> Tensor:
        """(B, n, h, w)."""
        return self._slots(self.values)[:, :, 4]

    @property
    def confidence_logits(self) -> Tensor:
        """(B, n, h, w)."""
        return self._slots(self.logits)[:, :, 4]

    @property
    def classes(self) -> Tensor:
        """(B, C, h, w)."""
        return self.values[:, 5 * self.num_boxes :]

    @property
    def class_logits(self) -> Tensor:
        """(B, C, h, w)."""
        return self.logits[:, 5 * self.num_boxes :]

    def boxes_xyxy(self, center_span: float) -> Tensor:
        """(B, n, h, w, 4) corners over the sides of the image."""
        return boxes_of_cells(self.coordinates, center_span)

    def _slots(self, maps: Tensor) -> Tensor:
        return maps[:, : 5 * self.num_boxes].unflatten(1, (self.num_boxes, 5))


def boxes_of_cells(coordinates: Tensor, center_span: float) -> Tensor:
    """Boxes over the sides of the image from what a cell says about them.

    centre = (column + span x - (span - 1) / 2) / w, width = sqrt_w^2; rows and heights likewise.

    Args:
        coordinates: (B, n, 4, h, w) x, y, sqrt_w, sqrt_h.
        center_span: cells the centre ranges over; 1 is the published decoder.

    Returns:
        (B, n, h, w, 4) xyxy.
    """
    height, width = coordinates.shape[-2:]
    rows = torch.arange(height, device=coordinates.device)[:, None]
    columns = torch.arange(width, device=coordinates.device)
    x, y, sqrt_w, sqrt_h = coordinates.unbind(dim=2)
    margin = (center_span - 1) / 2
    center_x = (columns + (center_span * x - margin)) / width
    center_y = (rows + (center_span * y - margin)) / height
    return cxcywh_to_xyxy(torch.stack([center_x, center_y, sqrt_w**2, sqrt_h**2], dim=-1))


def trust_boxes(last: nn.Module, num_boxes: int, confidence: float) -> None:
    """Let the convolution that ends in a detection map begin with a confidence in every slot.

    Lin et al., ICCV 2017, section 4.1: the many empty places then lose little from the start.

    Args:
        last: 1x1 convolution with 5 num_boxes + C channels, changed in place.
        num_boxes: slots of a cell.
        confidence: between 0 and 1.
    """
    bias = cast(Tensor, last.bias)
    with torch.no_grad():
        bias[: 5 * num_boxes].view(num_boxes, 5)[:, 4] = math.log(confidence / (1 - confidence))

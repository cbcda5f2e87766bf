"""The detection loss of a grid (unified specification, section 3) and its alternatives."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import complete_box_iou_loss, generalized_box_iou_loss

from mtl.config.unified import DetectionLossConfig
from mtl.geometry.boxes import iou
from mtl.losses.assignment import Assignment
from mtl.losses.counts import MeanCount, own_count
from mtl.models.unified.grid import DetectionGrid, boxes_of_cells

LEAST_ROOT = 1e-3
"""Root of the least side that overlaps are learned of, over the side of the image."""


class DetectionTerms(NamedTuple):
    """Parts of the detection loss, each already weighted and divided."""

    box: Tensor
    """Coordinates of the slots that learn an object."""
    object: Tensor
    """Confidence of the slots that learn an object."""
    no_object: Tensor
    """Confidence of the other slots."""
    classes: Tensor
    """Classes of the cells that learn an object."""

    @property
    def total(self) -> Tensor:
        """Their sum."""
        return torch.stack([*self]).sum()


def detection_loss(
    grid: DetectionGrid,
    target: Assignment,
    config: DetectionLossConfig,
    center_span: float,
    mean: MeanCount = own_count,
) -> DetectionTerms:
    """Compare a grid with its targets; without `gain`.

    As published: squared errors of the sigmoided map, slot 0 alone, everything over B h w.

    Args:
        grid: predictions for B images.
        target: of the same grid.
        config: which losses.
        center_span: of `BoxDecodingConfig`.
        mean: of the processes' counts of boxes.
    """
    slots = 1 if config.slots == "first" else grid.num_boxes
    taken = target.taken[:, :slots]
    batch, _, height, width = taken.shape
    count = taken.new_full((), batch * height * width, dtype=torch.float32)
    if config.divide_by == "objects":
        count = mean(taken.sum())
        count = count.masked_fill(count == 0, 1)
    truth = target.coordinates[:, :slots]
    confidence = _confidence_loss(
        grid.confidence[:, :slots],
        grid.confidence_logits[:, :slots],
        _confidence_target(grid, truth, taken, config, center_span),
        config,
    )
    has_object = taken.any(dim=1)
    box = config.box_weight * _box_loss(grid, truth, taken, config, center_span)
    if config.l1_weight:
        box = box + config.l1_weight * _l1_loss(grid, truth, taken, center_span)
    return DetectionTerms(
        box / count,
        (confidence * taken).sum() / count,
        config.no_object_weight * (confidence * ~taken).sum() / count,
        (_class_loss(grid, target.classes, config) * has_object).sum() / count,
    )


def _box_loss(
    grid: DetectionGrid,
    truth: Tensor,
    taken: Tensor,
    config: DetectionLossConfig,
    center_span: float,
) -> Tensor:
    """Sum over the slots that learn an object."""
    slots = taken.shape[1]
    if config.box == "squared":
        error = (grid.coordinates[:, :slots] - truth).square().sum(dim=2)
        return (error * taken).sum()
    predicted = boxes_of_cells(_with_sides(grid.coordinates[:, :slots]), center_span)[taken]
    true = boxes_of_cells(_with_sides(truth), center_span)[taken]
    overlap = generalized_box_iou_loss if config.box == "giou" else complete_box_iou_loss
    return overlap(predicted, true, reduction="sum")


def _with_sides(coordinates: Tensor) -> Tensor:
    """Coordinates whose sides do not vanish in corners: no overlap of nothing has a gradient."""
    center, root = coordinates.split(2, dim=2)
    return torch.cat([center, root.clamp(min=LEAST_ROOT)], dim=2)


def _l1_loss(grid: DetectionGrid, truth: Tensor, taken: Tensor, center_span: float) -> Tensor:
    """Sum over the slots that learn an object."""
    slots = taken.shape[1]
    center = center_span * (grid.coordinates[:, :slots, :2] - truth[:, :, :2])
    true_sides = torch.where(taken[:, :, None], truth[:, :, 2:], 1.0)
    sides = grid.log_sides[:, :slots] - 2 * true_sides.log()
    return (torch.cat([center, sides], dim=2).abs().sum(dim=2) * taken).sum()


def _confidence_target(
    grid: DetectionGrid,
    truth: Tensor,
    taken: Tensor,
    config: DetectionLossConfig,
    center_span: float,
) -> Tensor:
    """(B, slots, h, w): 1 or the overlap where an object is learned, 0 elsewhere."""
    if config.confidence_target == "one":
        return taken.float()
    predicted = grid.boxes_xyxy(center_span)[:, : taken.shape[1]].detach()
    return taken * iou(predicted, boxes_of_cells(truth, center_span)).nan_to_num(0.0)


def _confidence_loss(
    value: Tensor, logit: Tensor, target: Tensor, config: DetectionLossConfig
) -> Tensor:
    """(B, slots, h, w)."""
    if config.confidence == "squared":
        return (value - target).square()
    entropy = F.binary_cross_entropy_with_logits(logit, target, reduction="none")
    if config.confidence == "focal":  # with targets between 0 and 1: Li et al., NeurIPS 2020
        distance = (target - value).abs()
        distance = distance.clamp(min=torch.finfo(distance.dtype).tiny)  # a root has no slope at 0
        entropy = distance.pow(config.focal_gamma) * entropy
    return entropy


def _class_loss(grid: DetectionGrid, target: Tensor, config: DetectionLossConfig) -> Tensor:
    """(B, h, w); cells without an object have some value too."""
    if config.classes == "squared":
        return (grid.classes - target).square().sum(dim=1)
    if config.classes == "binary_cross_entropy":
        entropy = F.binary_cross_entropy_with_logits(grid.class_logits, target, reduction="none")
        return entropy.sum(dim=1)
    shares = target / target.sum(dim=1, keepdim=True).clamp(min=1)
    return -(shares * grid.class_logits.log_softmax(dim=1)).sum(dim=1)

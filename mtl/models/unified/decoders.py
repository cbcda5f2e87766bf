"""From raw maps to boxes, pixel scores and class values (unified specification, section 2)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import box_iou, nms

from mtl.config.unified import BoxDecodingConfig, PoolingConfig, UnifiedConfig
from mtl.models.unified.boxes import Boxes
from mtl.models.unified.grid import DetectionGrid


def decode_boxes(
    grid: DetectionGrid, image_size: tuple[int, int], config: BoxDecodingConfig
) -> list[Boxes]:
    """Boxes of every image of a batch.

    A cell's class is its best one; score = confidence * class score. Boxes below the threshold are
    dropped, corners are clamped to the first and last pixel, and worse boxes that overlap a better
    one are suppressed, after a vote on where it is if so configured. Of equal scores the earlier
    cell's comes first, row by row.

    Args:
        grid: of B images.
        image_size: height and width of the input in pixels.
        config: switches and thresholds.
    """
    height, width = image_size
    slots = 1 if config.slots == "first" else grid.num_boxes
    class_scores, labels = _class_scores(grid, config).max(dim=1)  # (B, h, w)
    confidence = grid.confidence[:, :slots]
    scores = confidence * class_scores[:, None]
    keep = (confidence >= config.threshold) & (scores >= config.threshold)
    sides = grid.values.new_tensor([width, height, width, height])
    boxes = grid.boxes_xyxy(config.center_span)[:, :slots] * sides
    boxes = torch.minimum(boxes.clamp(min=0), sides - 1)
    labels = labels[:, None].expand_as(scores)
    found = []
    for image in range(len(scores)):
        chosen = keep[image].movedim(0, -1).flatten()  # cells row by row, slots innermost
        candidates = Boxes(
            boxes[image].movedim(0, 2).reshape(-1, 4)[chosen],
            scores[image].movedim(0, -1).flatten()[chosen],
            labels[image].movedim(0, -1).flatten()[chosen],
        )
        found.append(suppress(candidates, config))
    return found


def most_boxes(grid: DetectionGrid, config: BoxDecodingConfig) -> int:
    """The most boxes that cells and regions of pixels can find in an image."""
    slots = 1 if config.slots == "first" else grid.num_boxes
    there = slots * grid.values.shape[-2:].numel()
    if config.least_region is not None:
        there += math.ceil(1 / config.least_region)
    return there if config.max_boxes is None else min(there, config.max_boxes)


def suppress(candidates: Boxes, config: BoxDecodingConfig) -> Boxes:
    """Greedy non-maximum suppression, over all classes together or in each."""
    if config.nms == "class_agnostic":
        kept = nms(candidates.boxes_xyxy, candidates.scores, config.nms_iou)
    else:
        kept = _per_class(candidates, config.nms_iou)
    kept = kept[: config.max_boxes]
    best = Boxes(*(values[kept] for values in candidates))
    if config.voting_iou is None:
        return best
    return best._replace(boxes_xyxy=_voted(best, candidates, config, config.voting_iou))


def _voted(best: Boxes, candidates: Boxes, config: BoxDecodingConfig, least_iou: float) -> Tensor:
    """(N, 4) where all boxes of an object together say it is (Gidaris and Komodakis, ICCV 2015).

    A box that nothing overlaps, not even itself because it has no area, stays.
    """
    votes = box_iou(best.boxes_xyxy, candidates.boxes_xyxy) >= least_iou  # (N, candidates)
    if config.nms == "per_class":
        votes &= best.labels[:, None] == candidates.labels
    weights = votes * candidates.scores
    total = weights.sum(dim=1, keepdim=True)
    with torch.autocast(weights.device.type, enabled=False):  # would round pixels to two digits
        mean = weights @ candidates.boxes_xyxy / total
    return torch.where(total > 0, mean, best.boxes_xyxy)


def decode_segmentation(seg_raw: Tensor, size: tuple[int, int]) -> Tensor:
    """Scores (B, C, height, width) of every pixel: bilinear, corners not aligned, no softmax.

    Args:
        seg_raw: (B, C, h, w).
        size: height and width.
    """
    if seg_raw.shape[-2:] == size:
        return seg_raw
    return F.interpolate(seg_raw, size=size, mode="bilinear", align_corners=False)


def segmentation_size(config: UnifiedConfig, image_size: tuple[int, int]) -> tuple[int, int]:
    """Height and width in which the model's segmentation scores come, for an input of a size."""
    if config.segmentation_output == "input":
        return image_size
    return config.segmentation_size, config.segmentation_size


def pool_classes(cls_raw: Tensor, config: PoolingConfig) -> Tensor:
    """One value (B, C) for each image and class.

    threshold: mean of the sigmoids of the positions that reach it, 0 where none does; the gradient
    flows through those only. soft_threshold: mean weighted by sigmoid((p - threshold) / softness).

    Args:
        cls_raw: (B, C, h, w).
        config: which way.
    """
    raw = cls_raw.flatten(2)
    if config.kind == "mean":
        return raw.mean(dim=2)
    values = raw.sigmoid()
    if config.kind == "soft_threshold":
        weights = ((values - config.threshold) / config.softness).sigmoid()
        return (weights * values).sum(dim=2) / weights.sum(dim=2)
    kept = values >= config.threshold
    return (values * kept).sum(dim=2) / kept.sum(dim=2).clamp(min=1)


def _class_scores(grid: DetectionGrid, config: BoxDecodingConfig) -> Tensor:
    """(B, C, h, w); the best class is the same in all three ways."""
    if config.class_score == "sigmoid":
        return grid.classes
    values = grid.class_logits if config.class_score == "softmax" else grid.classes
    return values.softmax(dim=1)


def _per_class(candidates: Boxes, iou: float) -> Tensor:
    """Numbers of the boxes that survive among their own class, best first."""
    kept = []
    for label in candidates.labels.unique():
        (mine,) = torch.where(candidates.labels == label)
        kept.append(mine[nms(candidates.boxes_xyxy[mine], candidates.scores[mine], iou)])
    numbers = torch.cat(kept) if kept else candidates.labels
    numbers = numbers.sort().values
    return numbers[candidates.scores[numbers].argsort(descending=True, stable=True)]

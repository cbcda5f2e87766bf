"""Boxes of what the pixels say: each connected region of a class is an object of that class."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_iou

from mtl.config.unified import BoxDecodingConfig
from mtl.models.unified.boxes import Boxes


def region_boxes(seg_scores: Tensor, box_classes: Mapping[int, int], least_area: float) -> Boxes:
    """Boxes round the regions of pixels that say the same class, joined at sides or corners.

    Two objects of a class that touch are one region. The score is the mean probability that the
    region's pixels give to the class.

    Args:
        seg_scores: (C, H, W) of one image, before softmax.
        box_classes: class of pixels -> class of boxes; regions of other classes are no objects.
        least_area: share of all H W pixels that a region must have.

    Returns:
        Boxes in any order, corners at the outer edges of pixels, on the scores' device.
    """
    surest, said = seg_scores.softmax(dim=0).max(dim=0)
    probabilities, classes = surest.float().cpu().numpy(), said.cpu().numpy()
    least = least_area * classes.size
    corners, scores, labels = [np.zeros((0, 4))], [np.zeros(0)], [np.zeros(0, np.int64)]
    for pixel_class, box_class in box_classes.items():
        where = classes == pixel_class
        if np.count_nonzero(where) < least:
            continue
        count, regions, boxes, _ = cv2.connectedComponentsWithStats(
            where.view(np.uint8), connectivity=8
        )
        sums = np.bincount(regions[where], probabilities[where], count)
        x, y, width, height, area = boxes.T
        large = (area >= least) & (np.arange(count) > 0)  # 0 is what lies outside all regions
        corners.append(np.stack([x, y, x + width, y + height], axis=1)[large])
        scores.append((sums / np.maximum(area, 1))[large])
        labels.append(np.full(int(large.sum()), box_class))
    return Boxes(
        torch.from_numpy(np.concatenate(corners)).to(seg_scores),
        torch.from_numpy(np.concatenate(scores)).to(seg_scores),
        torch.from_numpy(np.concatenate(labels)).to(seg_scores.device),
    )


def join_regions(found: Boxes, regions: Boxes, config: BoxDecodingConfig) -> Boxes:
    """The boxes of a grid and of regions in one list, best first; a region stands where it is.

    Boxes of a region's class that overlap it are taken for the same object: they go, and the
    surest of them makes the region surer, to 1 - (1 - a)(1 - b).

    Args:
        found: of the grid, suppressed already.
        regions: of the same image.
        config: `nms_iou`, above which they are one object, `threshold` and `max_boxes`.
    """
    same = box_iou(found.boxes_xyxy, regions.boxes_xyxy) > config.nms_iou
    same &= found.labels[:, None] == regions.labels  # (boxes, regions)
    alone = ~same.any(dim=1)
    if len(found.scores):
        seconded = (same * found.scores[:, None]).amax(dim=0)
        regions = regions._replace(scores=1 - (1 - regions.scores) * (1 - seconded))
    together = Boxes(*(torch.cat([r, f[alone]]) for r, f in zip(regions, found, strict=True)))
    best = together.scores.argsort(descending=True, stable=True)
    best = best[together.scores[best] >= config.threshold][: config.max_boxes]
    return Boxes(*(values[best] for values in together))

"""The tracker's losses of a batch of clips."""

from __future__ import annotations

import torch
from torch import Tensor

from mtl.errors import ShapeError
from mtl.geometry.boxes import cxcywh_to_xyxy, xywh_to_xyxy
from mtl.losses.boxes import GIoULoss, l1_loss, published_giou_loss
from mtl.losses.heatmap import focal_loss, target_maps
from mtl.models.tracker import TrackerOutput


def tracking_losses(
    output: TrackerOutput,
    search_boxes_xywh: Tensor,
    giou_loss: GIoULoss = published_giou_loss,
) -> tuple[dict[str, Tensor], Tensor]:
    """Unweighted losses, each a batch mean summed over the clip's frames (HIPTrack spec 8).

    True boxes are limited to the crop for `giou` and `l1`, not for `location`. A corner head has no
    score map, so its losses lack `location`. All arithmetic is float32.

    Args:
        output: of B clips with T frames.
        search_boxes_xywh: (B, T, 4) true boxes over the side of the search crop.
        giou_loss: `published_giou_loss`, or `giou_loss`, which no crossed box silences.

    Returns:
        Scalars `giou`, `l1` and `location`; and IoU (B, T) outside the graph.

    Raises:
        ShapeError: if there is not one true box per predicted one.
    """
    if output.boxes_cxcywh.shape != search_boxes_xywh.shape:
        raise ShapeError(
            f"search_boxes_xywh must be {tuple(output.boxes_cxcywh.shape)}, "
            f"got {tuple(search_boxes_xywh.shape)}."
        )
    with torch.autocast(search_boxes_xywh.device.type, enabled=False):
        predicted = cxcywh_to_xyxy(output.boxes_cxcywh.float())
        true = xywh_to_xyxy(search_boxes_xywh.float()).clamp(0.0, 1.0)
        giou, iou = giou_loss(predicted, true)
        losses = {"giou": giou.sum(), "l1": l1_loss(predicted, true).sum()}
        if output.score_map is not None:
            score_maps = output.score_map.squeeze(2)
            targets = target_maps(search_boxes_xywh, score_maps.shape[-1])
            losses["location"] = focal_loss(score_maps, targets).sum()
        return losses, iou

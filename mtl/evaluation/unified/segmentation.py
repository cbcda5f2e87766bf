"""Intersection over union of classes, from counts of pixels that only ever get added."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mtl.errors import ShapeError
from mtl.evaluation.bootstrap import RESAMPLES, redraws
from mtl.evaluation.unified.measured import SEEDS, Measured

IGNORED = 255
"""Mask value that is not counted."""


def pixel_confusion(predicted: Tensor, masks: Tensor, num_classes: int) -> Tensor:
    """Count pairs of true and predicted class in each image.

    Args:
        predicted: (B, H, W) whole numbers, mask values below C.
        masks: (B, H, W) whole numbers, mask values below C, or 255 where nothing is counted.
        num_classes: C, background included.

    Returns:
        (B, C, C) int64, [image, true, predicted].

    Raises:
        ShapeError: if the shapes differ or a value is not below C.
    """
    if predicted.shape != masks.shape or masks.ndim != 3:
        raise ShapeError(
            f"predicted classes and masks must both be (B, H, W), got {tuple(predicted.shape)} and "
            f"{tuple(masks.shape)}."
        )
    counted = masks != IGNORED
    true, said = masks[counted].long(), predicted[counted].long()
    if len(true) and int(torch.stack([true.max(), said.max()]).max()) >= num_classes:
        raise ShapeError(
            f"masks and predicted classes must be below {num_classes}, got {int(true.max())} and "
            f"{int(said.max())}; give the number of classes with background."
        )
    image = torch.arange(len(masks), device=masks.device)[:, None, None].expand_as(masks)[counted]
    pairs = (image * num_classes + true) * num_classes + said
    counts = torch.bincount(pairs, minlength=len(masks) * num_classes**2)
    return counts.view(len(masks), num_classes, num_classes)


def mask_values(classes: Tensor, merged: bool) -> Tensor:
    """Mask values of a network's classes.

    Args:
        classes: class numbers of the network.
        merged: whether its class 0 is background and first class together, as published; such a
            pixel is then taken to say background.
    """
    return classes + (classes > 0) if merged else classes


def merge_background(confusion: np.ndarray) -> np.ndarray:
    """Confusion with background and first class as one: (..., C, C) to (..., C - 1, C - 1)."""
    rows = np.concatenate([confusion[..., :2, :].sum(-2, keepdims=True), confusion[..., 2:, :]], -2)
    return np.concatenate([rows[..., :2].sum(-1, keepdims=True), rows[..., 2:]], -1)


def class_iou(confusion: np.ndarray) -> np.ndarray:
    """IoU of each class: (C, C) counts to (C,), NaN for one in neither truth nor prediction."""
    both = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)
    return _iou(both, confusion.sum(-1), confusion.sum(-2))


def segmentation_metrics(
    confusions: np.ndarray, class_names: Sequence[str], resamples: int = RESAMPLES
) -> dict[str, Measured]:
    """`miou` over all classes, `miou_merged` with background and first class as one, `iou/<class>`.

    Pixels of all images are added up before a class's IoU is taken; classes in neither truth nor
    prediction are left out of the mean. With VOC's classes these are the means over 21 and 20.

    Args:
        confusions: (N, C, C) counts of each image, [image, true, predicted].
        class_names: C names, background first.
        resamples: of the intervals; 0: none.

    Returns:
        What was measured; nothing where no pixel was counted.

    Raises:
        ShapeError: if counts and names do not fit.
    """
    confusions = np.asarray(confusions)
    wanted = (len(class_names), len(class_names))
    if confusions.ndim != 3 or confusions.shape[1:] != wanted:
        raise ShapeError(
            f"confusions must be (N, {wanted[0]}, {wanted[1]}), got {confusions.shape}."
        )
    if not confusions.any():
        return {}
    each = class_iou(confusions.sum(axis=0))
    drawn = _resampled(confusions, resamples)
    metrics = {
        "miou": _mean_iou(confusions, resamples),
        "miou_merged": _mean_iou(merge_background(confusions), resamples),
    }
    for number, (name, value) in enumerate(zip(class_names, each.tolist(), strict=True)):
        if not np.isnan(value):
            metrics[f"iou/{name}"] = Measured(value, None if drawn is None else drawn[:, number])
    return metrics


def _mean_iou(confusions: np.ndarray, resamples: int) -> Measured:
    value = float(np.nanmean(class_iou(confusions.sum(axis=0))))
    drawn = _resampled(confusions, resamples)
    return Measured(value, None if drawn is None else _mean(drawn))


def _resampled(confusions: np.ndarray, resamples: int) -> np.ndarray | None:
    """(R, C) IoU of each class in sets drawn anew; none for a single image."""
    if not resamples or len(confusions) < 2:
        return None
    both = np.diagonal(confusions, axis1=1, axis2=2).astype(np.float64)
    true, said = (confusions.sum(axis).astype(np.float64) for axis in (2, 1))
    chunks = redraws(len(confusions), SEEDS["seg"], resamples)
    return np.concatenate([_iou(chunk @ both, chunk @ true, chunk @ said) for chunk in chunks])


def _mean(each: np.ndarray) -> np.ndarray:
    """(R, C) to (R,), classes in neither truth nor prediction left out."""
    counted = ~np.isnan(each)
    total = np.where(counted, each, 0.0).sum(axis=1)
    number = counted.sum(axis=1)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _iou(both: np.ndarray, true: np.ndarray, said: np.ndarray) -> np.ndarray:
    union = true + said - both
    return np.where(union > 0, both / np.maximum(union, 1), np.nan)

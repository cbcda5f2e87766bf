"""The boxes of the reference's fixture of metrics, as columns."""

from __future__ import annotations

import numpy as np

from mtl.evaluation.unified.boxes import FoundBoxes, TrueBoxes
from tests.parity import Fixture


def published_boxes(fixture: Fixture) -> tuple[TrueBoxes, FoundBoxes, int, list[str]]:
    """True and found boxes in pixels of the letterbox, number of images, and names of classes."""
    truth = TrueBoxes(
        _to_xywh(fixture["gt_boxes"]),
        fixture["gt_labels"],
        fixture["gt_image"],
        np.zeros(len(fixture["gt_labels"]), dtype=bool),
    )
    found = FoundBoxes(
        _to_xywh(fixture["pred_boxes"]),
        fixture["pred_scores"],
        fixture["pred_labels"],
        fixture["pred_image"],
    )
    images = int(max(truth.images.max(), found.images.max())) + 1
    return truth, found, images, [str(k) for k in range(fixture["map_classes"].max() + 1)]


def _to_xywh(corners: np.ndarray) -> np.ndarray:
    boxes = corners.astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    return boxes

"""COCO's average precision of found boxes, by faster-coco-eval, with intervals over images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

from mtl.errors import ShapeError
from mtl.evaluation.bootstrap import RESAMPLES, redraws
from mtl.evaluation.unified.boxes import MAX_DETECTIONS, FoundBoxes, TrueBoxes
from mtl.evaluation.unified.matching import average_precision, match
from mtl.evaluation.unified.measured import SEEDS, Measured

_Boxes = TypeVar("_Boxes", TrueBoxes, FoundBoxes)


def detection_metrics(
    truth: TrueBoxes,
    found: FoundBoxes,
    num_images: int,
    class_names: Sequence[str],
    resamples: int = RESAMPLES,
) -> dict[str, Measured]:
    """Average precision by COCO's rules: 101 recall points, at most 100 boxes an image and class.

    `map` over IoU 0.50 to 0.95, `map_50`, `map_75`; `ap/<class>` of each class that has a true box
    (others are left out of the means).

    Args:
        truth: boxes of N images.
        found: boxes found in them, in the same frame.
        num_images: N.
        class_names: C names by number.
        resamples: of the intervals; 0: none.

    Returns:
        What was measured; nothing where there is no true box.

    Raises:
        ShapeError: if an image or class number is out of range, or columns do not fit.
    """
    _check(truth, found, num_images, len(class_names))
    if not (~truth.crowd).any():
        return {}
    precision = coco_precision(truth, found, num_images, len(class_names))
    values = {
        "map": np.nanmean(precision),
        "map_50": np.nanmean(precision[:, 0]),
        "map_75": np.nanmean(precision[:, 5]),
    }
    drawn: dict[str, np.ndarray] = {}
    each: list[np.ndarray | None] = [None] * len(class_names)
    if resamples and num_images > 1:
        one = _resampled(truth, found, num_images, len(class_names), resamples)
        drawn = {
            "map": _mean(one),
            "map_50": _mean(one[..., :1]),
            "map_75": _mean(one[..., 5:6]),
        }
        each = list(one.mean(axis=2).T)
    metrics = {name: Measured(float(value), drawn.get(name)) for name, value in values.items()}
    for name, row, values_drawn in zip(class_names, precision, each, strict=True):
        if not np.isnan(row).all():
            metrics[f"ap/{name}"] = Measured(float(row.mean()), values_drawn)
    return metrics


def misread_metrics(
    truth: TrueBoxes,
    found: FoundBoxes,
    num_images: int,
    class_names: Sequence[str],
    resamples: int = RESAMPLES,
) -> dict[str, Measured]:
    """`map_misread_boxes`, what the published programs print; to compare with their tables only.

    Corner coordinates are taken for corner and size, which stretches every box and raises the
    overlap (unified reference specification, section 6). How far depends on where a box lies, so
    the value is theirs only in their frame: the letterboxed square that the network sees.

    Args:
        truth: boxes of N images, pixels of the letterbox of each.
        found: boxes found in them, in the same frame.
        num_images: N.
        class_names: C names by number.
        resamples: of the interval; 0: none.

    Returns:
        What was measured; nothing where there is no true box.

    Raises:
        ShapeError: if an image or class number is out of range, or columns do not fit.
    """
    boxes = _misread(truth), _misread(found)
    measured = detection_metrics(*boxes, num_images, class_names, resamples)
    return {"map_misread_boxes": measured["map"]} if measured else {}


def coco_precision(
    truth: TrueBoxes, found: FoundBoxes, num_images: int, num_classes: int
) -> np.ndarray:
    """AP of each class at the ten IoU thresholds by the COCO library.

    Returns:
        (C, 10) float64; NaN for a class without a true box.
    """
    required = np.bincount(truth.classes[~truth.crowd], minlength=num_classes)
    precision = np.where(required[:, None] > 0, np.zeros((1, 10)), np.nan)
    if not len(found.scores) or not required.any():
        return precision  # the library wants at least one of each
    coco = COCO(
        {
            "images": [{"id": image} for image in range(num_images)],
            "categories": [{"id": number, "name": str(number)} for number in range(num_classes)],
            "annotations": [
                {
                    "id": row + 1,
                    "image_id": int(truth.images[row]),
                    "category_id": int(truth.classes[row]),
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": int(truth.crowd[row]),
                }
                for row, box in enumerate(truth.boxes_xywh.astype(np.float64).tolist())
            ],
        }
    )
    results = [
        {"image_id": image, "category_id": number, "bbox": box, "score": score}
        for image, number, box, score in zip(
            found.images.tolist(),
            found.classes.tolist(),
            found.boxes_xywh.astype(np.float64).tolist(),
            found.scores.astype(np.float64).tolist(),
            strict=True,
        )
    ]
    evaluation = COCOeval_faster(coco, coco.loadRes(results), "bbox", print_function=_silent)
    evaluation.params.areaRng = [[0.0, 1e10]]
    evaluation.params.areaRngLbl = ["all"]
    evaluation.params.maxDets = [MAX_DETECTIONS]
    evaluation.evaluate()
    evaluation.accumulate()
    table = np.asarray(evaluation.eval["precision"])[:, :, :, 0, 0]  # (10, 101, C), -1 undefined
    return np.where(required[:, None] > 0, table.mean(axis=1).T, np.nan)


def _resampled(
    truth: TrueBoxes, found: FoundBoxes, num_images: int, num_classes: int, resamples: int
) -> np.ndarray:
    """(R, C, 10) average precisions of sets drawn anew."""
    matches = match(truth, found, num_images, num_classes)
    return np.concatenate(
        [
            np.stack([average_precision(one, weights) for one in matches], axis=1)
            for weights in redraws(num_images, SEEDS["det"], resamples)
        ]
    )


def _mean(values: np.ndarray) -> np.ndarray:
    """(R, C, T) to (R,), classes without a true box left out."""
    known = ~np.isnan(values)
    total = np.where(known, values, 0.0).sum(axis=(1, 2))
    number = known.sum(axis=(1, 2))
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _misread(boxes: _Boxes) -> _Boxes:
    """The same boxes with corner coordinates in the place of sizes."""
    corners = np.array(boxes.boxes_xywh, dtype=np.float64)
    corners[:, 2:] += corners[:, :2]
    return boxes._replace(boxes_xywh=corners)


def _check(truth: TrueBoxes, found: FoundBoxes, num_images: int, num_classes: int) -> None:
    for what, boxes in (("true", truth), ("found", found)):
        number = len(boxes.classes)
        if boxes.boxes_xywh.shape != (number, 4) or any(len(x) != number for x in boxes[1:]):
            raise ShapeError(
                f"{what} boxes must be (K, 4) with K entries in every column, got "
                f"{[x.shape for x in boxes]}."
            )
        for name, values, limit in (
            ("image", boxes.images, num_images),
            ("class", boxes.classes, num_classes),
        ):
            if number and not (values.min() >= 0 and values.max() < limit):
                raise ShapeError(
                    f"{name} numbers of {what} boxes must be below {limit}, got {values.min()} to "
                    f"{values.max()}."
                )


def _silent(*message: object) -> None:
    """The library reports its progress."""
